//! HTML transforms: title, readable text, headings, links.

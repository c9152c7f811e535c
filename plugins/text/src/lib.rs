//! Text transforms: sections, chunks, words, tokens, SimHash.

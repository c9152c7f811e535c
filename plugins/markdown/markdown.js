// The functions of the world, by the names that WIT gives them, in camel case.

import { Marked } from "marked";

const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text) => text.replace(/[&<>"]/g, (character) => escapes[character]);

/** A name for every heading as GitHub gives it; the second of the same name gets a number. */
function anchors() {
  const seen = new Map();
  return (text) => {
    const name = text
      .toLowerCase()
      .trim()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-");
    const before = seen.get(name) ?? 0;
    seen.set(name, before + 1);
    return before === 0 ? name : `${name}-${before}`;
  };
}

/** What a reader sees of inline tokens. */
function shown(tokens) {
  return tokens
    .map((token) => {
      if (token.type === "html") return "";
      if (token.type === "br") return "\n";
      return token.tokens ? shown(token.tokens) : plainly(token.text ?? "");
    })
    .join("");
}

const entities = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
const plainly = (text) => text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name) => entities[name]);

const safe = (address) => !/^\s*(javascript|data|vbscript):/i.test(address);

export function html(content) {
  const anchor = anchors();
  const renderer = {
    heading({ tokens, depth }) {
      const name = escaped(anchor(shown(tokens)));
      return `<h${depth} id="${name}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
    },
    html({ text }) {
      return escaped(text);
    },
    link(token) {
      return safe(token.href) ? false : this.parser.parseInline(token.tokens);
    },
    image(token) {
      return safe(token.href) ? false : escaped(token.text);
    },
  };
  return new Marked({ renderer }).parse(content);
}

/** All tokens of a page, from the first to the last, also those inside of others. */
function tokens(content) {
  const all = [];
  const marked = new Marked();
  marked.walkTokens(marked.lexer(content), (token) => all.push(token));
  return all;
}

export function headings(content) {
  const anchor = anchors();
  return tokens(content)
    .filter((token) => token.type === "heading")
    .map((token) => {
      const text = shown(token.tokens);
      return { level: token.depth, text, anchor: anchor(text) };
    });
}

export function links(content) {
  return tokens(content)
    .filter((token) => token.type === "link")
    .map((token) => ({ address: token.href, text: shown(token.tokens) }));
}

const blocks = new Set(["heading", "paragraph", "text", "code", "table"]);

export function plain(content) {
  const lines = [];
  const visit = (list) => {
    for (const token of list) {
      if (token.type === "table") {
        for (const row of [token.header, ...token.rows]) {
          lines.push(row.map((cell) => shown(cell.tokens)).join(" "));
        }
      } else if (blocks.has(token.type)) {
        lines.push(token.type === "code" ? token.text : shown(token.tokens ?? [token]));
      } else if (token.type === "list") {
        token.items.forEach((item) => visit(item.tokens));
      } else if (token.tokens) {
        visit(token.tokens);
      }
    }
  };
  visit(new Marked().lexer(content));
  return lines.join("\n");
}

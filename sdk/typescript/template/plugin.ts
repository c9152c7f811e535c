// The functions of wit/world.wit, under their names in camel case.

const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");

export function count(text: string): number {
  return wordsOf(text).length;
}

export function summary(text: string, words: number): string {
  const found = wordsOf(text);
  if (found.length === 0) {
    // The `err` of a result.
    throw "there are no words";
  }
  return found.slice(0, words).join(" ");
}

/**
 * The fields of one line of comma-separated values (RFC 4180): a field that begins with `"` ends at the next single `"`, `""` in it is
 * one. Undefined where a quote stands in the wrong place.
 */
export function csvFields(text: string): readonly string[] | undefined {
  const fields: string[] = [];
  let position = 0;
  for (;;) {
    if (text[position] === '"') {
      let field = "";
      for (position++; ; position++) {
        const char = text[position];
        if (char === undefined) return undefined;
        if (char !== '"') field += char;
        else if (text[position + 1] === '"') field += text[++position];
        else break;
      }
      position++;
      if (position < text.length && text[position] !== ",") return undefined;
      fields.push(field);
    } else {
      const comma = text.indexOf(",", position);
      const field = text.slice(position, comma < 0 ? undefined : comma);
      if (field.includes('"')) return undefined;
      fields.push(field);
      position += field.length;
    }
    if (position >= text.length) return fields;
    position++;
  }
}

/** The native wire as the tables of docs/protocol/v1.md describe it: a decoder that knows nothing but them. */
import { isErrorCode } from '@clstr/core/internal';
import type { ErrorRecord } from '@clstr/core/wire';
import type { DecodedEntry } from './frame-vectors.ts';
import { toHex } from './frame-vectors.ts';
import { tablesOf } from './markdown.ts';

/** A part of a frame: bytes from `start` to `end`, and what the tables call them. */
export interface Field {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** The number it holds; undefined for text and blocks. */
  readonly value: number | undefined;
  /** What the value stands for, when a table names it. */
  readonly meaning: string | undefined;
}

export interface Entry {
  readonly kind: string;
  readonly fields: readonly Field[];
}

interface Row {
  readonly field: string;
  /** Bytes, the name of the field that holds their number, or what is left. */
  readonly size: string;
}

/** Headings of the tables, as the document words them. */
const BATCH = 'Batch header';
const ENTRY = 'Entry header';
const KINDS = 'Kinds';
const HEADERS = 'Headers block';
const HEADER = 'One header';

/** The tables, checked: offsets without gaps, sizes that exist. */
export class DocumentedLayout {
  readonly #rows = new Map<string, readonly Row[]>();
  readonly #bits = new Map<string, ReadonlyMap<number, string>>();
  readonly #kinds = new Map<number, string>();

  constructor(markdown: string) {
    for (const { heading, columns, rows } of tablesOf(markdown)) {
      const cells = rows.map((row) => row.map((cell) => cell.replaceAll('`', '')));
      if (columns.join() === 'offset,size,field,meaning')
        this.#rows.set(heading, checkedRows(heading, cells));
      else if (columns.join() === 'bit,name,meaning')
        this.#bits.set(heading, new Map(cells.map(([bit, name]) => [Number(bit), name!])));
      else if (heading === KINDS) for (const [number, name] of cells) this.#kinds.set(Number(number), name!);
    }
  }

  /** Tables that describe bytes, by heading. */
  get headings(): string[] {
    return [...this.#rows.keys()];
  }

  /** Every field of a well-formed batch in order, entry by entry; the first entry is the batch header. */
  read(bytes: Uint8Array): Entry[] {
    const header = this.#fields(bytes, 0, bytes.length, BATCH);
    const entries: Entry[] = [{ kind: 'batch', fields: header.filter(({ name }) => name !== 'entries') }];
    let offset = header.find(({ name }) => name === 'entries')!.start;
    while (offset < bytes.length) {
      const all = this.#fields(bytes, offset, bytes.length, ENTRY);
      const body = all.find(({ name }) => name === 'body')!;
      const kind = this.#kinds.get(all[0]!.value!) ?? 'unknown';
      const head = all.filter(({ name }) => name !== 'body');
      const isKnown = this.#bodyOf(kind) !== undefined;
      entries.push({ kind, fields: isKnown ? [...head, ...this.#body(bytes, body, kind)] : all });
      offset = body.end;
    }
    return entries;
  }

  #body(bytes: Uint8Array, { start, end }: Field, kind: string): Field[] {
    return this.#fields(bytes, start, end, this.#bodyOf(kind)!).flatMap((field) =>
      field.name === 'headers' && field.end > field.start ? this.#headers(bytes, field) : [field],
    );
  }

  #headers(bytes: Uint8Array, { start, end }: Field): Field[] {
    const block = this.#fields(bytes, start, end, HEADERS);
    const list = block.find(({ name }) => name === 'list')!;
    const fields = block.filter(({ name }) => name !== 'list');
    for (let offset = list.start; offset < list.end; offset = fields.at(-1)!.end) {
      fields.push(...this.#fields(bytes, offset, list.end, HEADER));
    }
    return fields;
  }

  /** The heading whose words include the kind. */
  #bodyOf(kind: string): string | undefined {
    return this.headings.find((heading) => heading.split(/\W+/).includes(kind));
  }

  #fields(bytes: Uint8Array, start: number, end: number, heading: string): Field[] {
    const fields: Field[] = [];
    let offset = start;
    for (const { field, size } of this.#rows.get(heading)!) {
      const isNumber = /^\d+$/.test(size);
      const length = isNumber
        ? Number(size)
        : size === 'rest'
          ? end - offset
          : fields.find(({ name }) => name === size)!.value!;
      if (offset + length > end) throw new Error(`${field} reaches beyond its ${heading}`);
      const value = isNumber ? Number(`0x${toHex(bytes.subarray(offset, offset + length))}`) : undefined;
      const meaning = value === undefined ? undefined : this.#meaning(heading, field, value);
      fields.push({ name: field, start: offset, end: offset + length, value, meaning });
      offset += length;
    }
    return fields;
  }

  #meaning(heading: string, field: string, value: number): string | undefined {
    if (field === 'kind') return this.#kinds.get(value);
    if (field === 'budget' && value === 0xffff_ffff) return 'none';
    if (field !== 'flags') return undefined;
    const bits = this.#bits.get(heading) ?? new Map<number, string>();
    return [...bits].flatMap(([bit, name]) => ((value & bit) === 0 ? [] : [name])).join(' ');
  }
}

function checkedRows(heading: string, cells: readonly (readonly string[])[]): Row[] {
  let next: number | undefined = 0;
  const names = new Set<string>();
  return cells.map(([offset = '', size = '', field = '']) => {
    const expected = next === undefined ? '…' : String(next);
    if (offset !== expected) throw new Error(`${heading}: ${field} starts at ${expected}, not at ${offset}`);
    if (/^\d+$/.test(size)) next = next === undefined ? undefined : next + Number(size);
    else if (size === 'rest' || names.has(size)) next = undefined;
    else throw new Error(`${heading}: the size of ${field} is ${size}, which is no field above it`);
    names.add(field);
    return { field, size };
  });
}

/** What the entries mean by the words of the document; the version decides which of them are read. */
export function meaningOf(bytes: Uint8Array, entries: readonly Entry[]): DecodedEntry[] {
  const isKnownVersion = entries[0]!.fields.find(({ name }) => name === 'version')!.value === 1;
  return entries.slice(1).flatMap((entry) => {
    if (!isKnownVersion && entry.kind !== 'BATCH_ERROR') return [];
    return decodedEntry(bytes, entry);
  });
}

function decodedEntry(bytes: Uint8Array, { kind, fields }: Entry): DecodedEntry[] {
  const find = (name: string): Field | undefined => fields.find((field) => field.name === name);
  const number = (name: string): number => find(name)!.value!;
  const part = ({ start, end }: Field): Uint8Array => bytes.subarray(start, end);
  const text = (name: string): string => Buffer.from(part(find(name)!)).toString();
  const hasFlag = (name: string): boolean => find('flags')!.meaning!.split(' ').includes(name);
  switch (kind) {
    case 'REQUEST':
    case 'NOTIFY': {
      const values = fields.filter(({ name }) => name === 'value').map((value) => Buffer.from(part(value)));
      const names = fields.filter(({ name }) => name === 'name').map((name) => Buffer.from(part(name)));
      const headers = Object.fromEntries(names.map((name, i) => [name.toString(), values[i]!.toString()]));
      const hasHeaders = find('headersLength')!.value! > 0;
      return [
        {
          kind: kind === 'REQUEST' ? 'request' : 'notify',
          clientId: number('clientId'),
          attempt: number('attempt'),
          shard: number('shard'),
          ttlMs: find('budget')!.meaning === 'none' ? null : number('budget'),
          type: text('type'),
          key: hasFlag('KEY') ? text('key') : null,
          headers: hasHeaders ? headers : null,
          isRaw: hasFlag('RAW'),
          payload: toHex(part(find('payload')!)),
        },
      ];
    }
    case 'REPLY': {
      const answer = { attempt: number('attempt'), isFinal: hasFlag('FINAL') };
      if (hasFlag('ERROR'))
        return [{ kind: 'failure', ...answer, error: JSON.parse(text('payload')) as ErrorRecord }];
      return [{ kind: 'reply', ...answer, isRaw: hasFlag('RAW'), payload: toHex(part(find('payload')!)) }];
    }
    case 'CANCEL':
      return [{ kind: 'cancel', clientId: number('clientId'), attempt: number('attempt') }];
    case 'BATCH_ERROR': {
      const code = text('code');
      return [{ kind: 'batch-error', code: isErrorCode(code) ? code : 'UNSUPPORTED_VERSION' }];
    }
    default:
      return [];
  }
}

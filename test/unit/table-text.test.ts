import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Column, isBinary, keyLiteral, rowText } from '../../src/platform/table.ts';

const column = (type: string, more: Partial<Column> = {}): Column => ({
  name: 'c',
  type,
  fullType: type,
  nullable: false,
  hasDefault: false,
  generated: false,
  ...more,
});

/** The expression of one column, without what makes it a value list. */
function expressionOf(one: Column): string {
  const text = rowText([one]);
  const [head, tail] = ["CONCAT('(',", ",')')"];
  expect(text.startsWith(head) && text.endsWith(tail)).toBe(true);
  return text.slice(head.length, -tail.length);
}

const plain = ['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'year', 'decimal', 'double'];
const quoted = ['char', 'varchar', 'text', 'longtext', 'enum', 'set', 'json', 'date', 'time', 'datetime', 'timestamp'];
const hexadecimal = ['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob', 'geometry', 'point'];

describe('a row as the text of a value list', () => {
  test.each(plain)('%s is a bare number', (type) => {
    expect(expressionOf(column(type))).toBe('`c`');
    expect(expressionOf(column(type, { nullable: true }))).toBe("IFNULL(`c`,'NULL')");
  });

  test.each(quoted)('%s is quoted by the server, which writes NULL for NULL by itself', (type) => {
    expect(expressionOf(column(type))).toBe('QUOTE(`c`)');
    expect(expressionOf(column(type, { nullable: true }))).toBe('QUOTE(`c`)');
  });

  test.each(hexadecimal)('%s is a hexadecimal literal, the empty one too', (type) => {
    expect(expressionOf(column(type))).toBe("CONCAT('x''',HEX(`c`),'''')");
    expect(expressionOf(column(type, { nullable: true }))).toBe("IFNULL(CONCAT('x''',HEX(`c`),''''),'NULL')");
  });

  test('FLOAT is written with all its digits', () => {
    expect(expressionOf(column('float'))).toBe('CAST(`c` AS DOUBLE)');
    expect(expressionOf(column('float', { nullable: true }))).toBe("IFNULL(CAST(`c` AS DOUBLE),'NULL')");
  });

  test('BIT is written as a number', () => {
    expect(expressionOf(column('bit'))).toBe('`c`+0');
    expect(expressionOf(column('bit', { nullable: true }))).toBe("IFNULL(`c`+0,'NULL')");
  });

  test('columns keep their order and are parted by commas', () => {
    const columns = [column('bigint', { name: 'id' }), column('varchar', { name: 'remark', nullable: true })];
    expect(rowText(columns)).toBe("CONCAT('(',`id`,',',QUOTE(`remark`),')')");
    expect(rowText(columns.toReversed())).toBe("CONCAT('(',QUOTE(`remark`),',',`id`,')')");
  });

  test('odd names of columns stay names', () => {
    expect(expressionOf(column('int', { name: 'order' }))).toBe('`order`');
    expect(expressionOf(column('int', { name: 'a`b' }))).toBe('`a``b`');
    expect(expressionOf(column('varchar', { name: "it's 订单" }))).toBe("QUOTE(`it's 订单`)");
  });
});

test('binary columns and BIT are the ones that hold no text', () => {
  expect([...hexadecimal, 'bit'].filter((type) => !isBinary(column(type)))).toEqual([]);
  expect([...plain, ...quoted, 'float'].filter((type) => isBinary(column(type)))).toEqual([]);
});

describe('a key as a literal', () => {
  test.each(['0', '7', '-3', '18446744073709551615', '-9223372036854775808'])('the integer %s stays bare', (key) => {
    expect(keyLiteral(column('bigint'), key)).toBe(key);
  });

  test.each(['', ' 1', '1 ', '1.0', '1e3', '--1', '+1', '0x10', '1 OR 1=1', "1'", '1\n', '１', 'NULL'])(
    'what is no integer is refused for an integer key: %j',
    (key) => expect(() => keyLiteral(column('int', { name: 'id' }), key)).toThrow(/not a key of id/),
  );

  test.each([
    ['A-100', "'A-100'"],
    ['100', "'100'"],
    ['', "''"],
    ["it's", "'it\\'s'"],
    ['back\\slash', "'back\\\\slash'"],
    ["\\' OR 1=1 -- ", "'\\\\\\' OR 1=1 -- '"],
    ['a\0b', "'a\\0b'"],
    ['订单🙂', "'订单🙂'"],
  ])('the text %j is quoted and escaped', (key, literal) => {
    expect(keyLiteral(column('varchar'), key)).toBe(literal);
  });

  test('any text is one literal that reads back as that text', () => {
    const text = fc.string({
      unit: fc.oneof(fc.constantFrom("'", '\\', '\0', '0', '"', '\n', '%', '订'), fc.string()),
    });
    fc.assert(fc.property(text, (key) => readLiteral(keyLiteral(column('varchar'), key)) === key));
  });

  test('any text for an integer key is either refused or taken as it is, as an integer', () => {
    const text = fc.oneof(fc.string(), fc.bigInt().map(String));
    fc.assert(
      fc.property(text, (key) => {
        let literal: string | null = null;
        try {
          literal = keyLiteral(column('bigint'), key);
        } catch {
          // refused
        }
        expect(literal).toBe(/^-?[0-9]+$/.test(key) && !key.endsWith('\n') ? key : null);
      }),
    );
  });
});

/** As the server reads a string literal with backslash escapes on; throws where the literal ends too early or never. */
function readLiteral(literal: string): string {
  const body = /^'((?:[^'\\]|\\[\s\S])*)'$/.exec(literal)?.[1];
  if (body === undefined) throw new Error(`not one literal: ${literal}`);
  return body.replace(/\\([\s\S])/g, (_, character: string) => (character === '0' ? '\0' : character));
}

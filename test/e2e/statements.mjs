// Random requests to a D1 database: right and wrong statements, alone and in batches.

const TEXTS = [
  '',
  'plain',
  "it's",
  'a;b',
  '-- no comment',
  'ü日本😀',
  '\u0000',
  'x'.repeat(3_000),
  '{"a":[1,2,{"b":null}]}',
  '9007199254740993',
]
const NUMBERS = [0, 1, -1, 2.5, 1e300, -1e-7, 2 ** 31, 2 ** 53 - 1, -(2 ** 53), 4_294_967_296]

export const SCHEMA = [
  `CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER CHECK (age >= 0), photo BLOB,
     UNIQUE (name, age))`,
  'CREATE TABLE visits (id TEXT PRIMARY KEY, person INTEGER REFERENCES people (id), cost REAL) WITHOUT ROWID',
  'CREATE INDEX visits_of_person ON visits (person, cost)',
  'CREATE TABLE notes (seq INTEGER PRIMARY KEY AUTOINCREMENT, text, at TEXT DEFAULT "now")',
  'CREATE VIRTUAL TABLE words USING fts5 (text)',
  'CREATE VIEW costs AS SELECT person, sum(cost) AS total FROM visits GROUP BY person',
  `CREATE TRIGGER noted AFTER INSERT ON visits WHEN NEW.cost > 50 BEGIN
     INSERT INTO notes (text) VALUES (NEW.id); UPDATE people SET age = age + 1 WHERE id = NEW.person; END`,
]

const COUNTS = 'SELECT changes(), last_insert_rowid()'

/** `random()` returns numbers from 0 up to 1. */
export function statementsOf(random) {
  const below = (limit) => Math.floor(random() * limit)
  const one = (from) => from[below(from.length)]
  const some = (limit, make) => Array.from({ length: below(limit) }, make)
  const id = () => below(40)
  const value = () =>
    one([() => one(TEXTS), () => one(NUMBERS), () => null, () => ({ blob: some(9, () => below(256)) }), id])()
  const way = () => one(['all', 'all', 'run', 'raw', 'first'])

  const right = [
    () =>
      q('INSERT INTO people (id, name, age, photo) VALUES (?, ?, ?, ?)', [id(), `n${id()}`, id(), value()]),
    () => q('INSERT INTO people (name, age) VALUES (?1, ?2) RETURNING id, name, age * 2', [`n${id()}`, id()]),
    () =>
      q(
        `INSERT INTO people (id, name, age) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name || '+', age = excluded.age WHERE people.age < ?3`,
        [id(), `n${id()}`, id()],
      ),
    () =>
      q(
        `INSERT OR ${one(['IGNORE', 'REPLACE', 'FAIL', 'ABORT', 'ROLLBACK'])} INTO people (id, name, age)
         VALUES (?, 'a', ?), (?, 'b', ?), (?, 'a', ?)`,
        [id(), id(), id(), id(), id(), id()],
      ),
    () => q('INSERT INTO visits VALUES (?, ?, ?)', [`v${below(300)}`, id(), below(10_000) / 100]),
    () =>
      q(
        'INSERT INTO visits SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE true ON CONFLICT DO NOTHING',
        [JSON.stringify(some(9, () => [`v${below(300)}`, id(), below(99)]))],
      ),
    () => q('INSERT INTO notes (text) VALUES (?)', [value()]),
    () =>
      q('INSERT INTO words (text) VALUES (?)', [`${one(['red', 'green', 'blue'])} ${one(['cat', 'dog'])}`]),
    () => q('UPDATE people SET age = age + 1, photo = ? WHERE id % 7 = ?', [value(), below(7)]),
    () => q('UPDATE visits SET cost = cost * 1.1 WHERE person = ? RETURNING id', [id()]),
    () => q('DELETE FROM visits WHERE person = ?', [id()]),
    () => q('DELETE FROM people WHERE id = ?', [id()]),
    () => q('DELETE FROM notes WHERE seq % 5 = 0'),
    () => q('SELECT * FROM people ORDER BY id LIMIT ? OFFSET ?', [below(20), below(20)]),
    () =>
      q(
        'SELECT p.*, v.* FROM people p LEFT JOIN visits v ON v.person = p.id WHERE p.age > ? ORDER BY p.id, v.id',
        [id()],
      ),
    () => q('SELECT count(*), max(cost), avg(cost), total(cost) FROM visits'),
    () => q('SELECT * FROM costs ORDER BY person'),
    () => q('SELECT text, at, typeof(text) FROM notes ORDER BY seq DESC LIMIT 9'),
    () =>
      q('SELECT rowid, highlight(words, 0, "<", ">") AS text FROM words WHERE words MATCH ? ORDER BY rowid', [
        one(['red', 'cat dog', 'blue OR dog']),
      ]),
    () => q('SELECT ?1 AS a, ?1 AS a, typeof(?1) AS b, hex(?1), length(?1), quote(?1)', [value()]),
    () =>
      q('SELECT json_group_array(json_object("id", id, "age", age)) AS list FROM people WHERE id < ?', [
        id(),
      ]),
    () =>
      q(
        'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i, i * i FROM n',
        [below(60)],
      ),
    () => q("SELECT 9223372036854775807 AS big, 1e999 AS infinite, x'00ff' AS bytes, NULL AS nothing"),
    () => q('PRAGMA table_info(people)'),
    () => q('EXPLAIN QUERY PLAN SELECT * FROM visits WHERE person = 1'),
    () => q('SELECT ";" AS semicolon, \';\' AS other -- ; none\n'),
    () => q('/* first; */ SELECT 1 AS one;'),
    () => q('SELECT 1 AS one; -- after'),
    () => q(`CREATE TABLE IF NOT EXISTS extra${below(3)} (a, b)`),
    () => q(`DROP TABLE IF EXISTS extra${below(3)}`),
    () => q(`ALTER TABLE extra${below(3)} ADD COLUMN c${below(99)}`),
    () =>
      q(
        `CREATE TRIGGER IF NOT EXISTS t${below(3)} AFTER DELETE ON notes BEGIN DELETE FROM words WHERE rowid = 1; SELECT 1; END`,
      ),
    () => q(`DROP TRIGGER IF EXISTS t${below(3)}`),
  ]

  const wrong = [
    () => q('SELEC 1'),
    () => q('SELECT * FROM nowhere'),
    () => q('SELECT nothing FROM people'),
    () => q('INSERT INTO people (id) VALUES (?)', [id()]),
    () => q('INSERT INTO people (name, age) VALUES (?, -1)', [`n${id()}`]),
    () => q('SELECT ?, ?', [1]),
    () => q('SELECT 1', [1, 2]),
    () => q('SELECT 1; SELECT 2'),
    () => q('SELECT 1; SELEC 2'),
    () => q('SELEC 1; SELECT 2'),
    () => q('INSERT INTO notes (text) VALUES (1); DELETE FROM notes'),
    () => q(`SELECT 1; DELETE FROM notes WHERE seq % 3 = ${below(3)}`),
    () => q(`  select 1 ; UPDATE people SET age = 7 WHERE id = ${id()};`),
    () => q("SELECT 'unfinished"),
    () => q('SELECT /* unfinished'),
    () => q(''),
    () => q('   \n '),
    () => q('  -- only a comment'),
    () => q('-- only a comment'),
    () => q(';'),
    () => q(one(['BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT a', 'RELEASE a', 'END'])),
    () => q(one(['VACUUM', 'ATTACH "x" AS y', 'DETACH y', 'REINDEX', 'ANALYZE'])),
    () =>
      q(
        `PRAGMA ${one(['journal_mode = DELETE', 'foreign_keys = OFF', 'synchronous = OFF', 'user_version', 'page_count', 'defer_foreign_keys = ON', 'integrity_check', 'recursive_triggers = ON'])}`,
      ),
    () =>
      q(
        `SELECT ${one(['load_extension("x")', 'sqlite_version()', 'length(randomblob(3_000_000))', 'fts5_source_id()', 'writefile("x", 1)', 'abs(-9223372036854775808)', 'length(zeroblob(3000000))'])}`,
      ),
    () => q('SELECT ?', [{ text: 'x', times: one([1_900_000, 2_000_000, 2_200_000]) }]),
    () => q('INSERT INTO notes (text) VALUES (?)', [{ text: 'y', times: one([100_000, 2_100_000]) }]),
    () => q(`SELECT '${'z'.repeat(one([99_000, 101_000]))}' AS long`),
    () =>
      q(
        `SELECT ${Array.from({ length: one([99, 100, 101]) }, () => '?').join(', ')}`,
        Array.from({ length: 100 }, () => 1),
      ),
    () => q(`SELECT ${Array.from({ length: one([99, 100, 101, 2_001]) }, (_, n) => n).join(', ')}`),
    () => q(`SELECT 1 ${'UNION SELECT 1 '.repeat(one([3, 5, 600]))}`),
    () => q('SELECT 1 LIKE ?', [{ text: '%', times: one([49, 51]) }]),
    () => q(`SELECT ${'('.repeat(one([20, 200]))}1${')'.repeat(20)}`),
    () => q('INSERT INTO visits VALUES (?, ?, ?)', [`v${below(300)}`, 1_000_000, 1]),
    () => q('DELETE FROM sqlite_schema'),
    () => q('CREATE TABLE _cf_own (a)'),
    () => q('CREATE TEMP TABLE mine (a)'),
    () => q("SELECT raise(ABORT, 'x')"),
  ]

  const query = () => one(random() < 0.8 ? right : wrong)()
  return () => {
    const kind = random()
    if (kind < 0.02) return { way: 'batch', queries: [right.at(0)(), q(COUNTS)] }
    if (kind < 0.3) return { way: 'batch', queries: Array.from({ length: 1 + below(5) }, query) }
    if (kind < 0.35)
      return {
        way: 'exec',
        queries: [
          q(
            Array.from({ length: 1 + below(3) }, () =>
              one([
                'SELECT 1',
                'DELETE FROM notes WHERE seq = 1',
                'SELEC',
                'SELECT 1; SELECT 2',
                "INSERT INTO notes (text) VALUES ('e')",
              ]),
            ).join('\n'),
          ),
        ],
      }
    if (kind < 0.4) return { way: 'session', queries: [query()] }
    return { way: way(), queries: [query()] }
  }
}

const q = (sql, params = []) => ({ sql, params })

/** Writes src/feed/messages.ts, the messages' types, from the gateway's own document; --check only compares. */

import { readFileSync, writeFileSync } from 'node:fs';
import { compile } from 'json-schema-to-typescript';

const source = new URL('../../docs/asyncapi.json', import.meta.url);
const target = new URL('../src/feed/messages.ts', import.meta.url);

const { schemas } = JSON.parse(readFileSync(source, 'utf8')).components;

/** All messages that name their kind in this field, as one type. */
function union(title, field) {
  const members = Object.keys(schemas).filter((name) => schemas[name].properties?.[field]?.enum);
  return { title, anyOf: members.map((name) => ({ $ref: `#/components/schemas/${name}` })) };
}

const document = {
  $id: 'Messages',
  components: {
    schemas: { ...schemas, Request: union('Request', 'action'), ServerMessage: union('ServerMessage', 'type') },
  },
};
const text = await compile(
  { ...document, anyOf: [{ $ref: '#/components/schemas/Request' }, { $ref: '#/components/schemas/ServerMessage' }] },
  'Messages',
  {
    additionalProperties: false,
    bannerComment: "/** The gateway's messages: generated from docs/asyncapi.json by `npm run types`. */",
    style: { singleQuote: true, printWidth: 120 },
  },
);

if (!process.argv.includes('--check')) writeFileSync(target, text);
else if (readFileSync(target, 'utf8') !== text) {
  console.error('src/feed/messages.ts is not what docs/asyncapi.json says: npm run types');
  process.exit(1);
}

'use strict';
// The connections: Prisma's settings in the URL, and its words for what can go wrong with a connection.
const fs = require('fs');
const net = require('net');
const { Pool } = require('pg');
const Result = require('pg/lib/result');
const { PrismaPg } = require('@prisma/adapter-pg');
const { bindAdapter } = require('@prisma/driver-adapter-utils');

// Types of Postgres's own tables that the adapter does not know, shown as text and lists of text
// (pg_type.dat: name, void, regclass, "char"; name[], aclitem[], "char"[]).
const AS_TEXT = 25;
const AS_TEXTS = 1009;
const KNOWN = { 18: AS_TEXT, 19: AS_TEXT, 2205: AS_TEXT, 2278: AS_TEXT, 1002: AS_TEXTS, 1003: AS_TEXTS, 1034: AS_TEXTS };

const addFields = Result.prototype.addFields;
Result.prototype.addFields = function asKnown(fields) {
  for (const field of fields) field.dataTypeID = KNOWN[field.dataTypeID] ?? field.dataTypeID;
  return addFields.call(this, fields);
};

/** Prisma's reference, "Connection URL arguments" of PostgreSQL. */
function tls(settings, offered) {
  const mode = settings.get('sslmode') ?? 'prefer';
  if (!['disable', 'prefer', 'require'].includes(mode)) throw new Error(`sslmode=${mode} is none of Prisma's`);
  if (mode === 'disable' || (mode === 'prefer' && !offered)) return false;
  const ca = settings.get('sslcert');
  return {
    ca: ca ? fs.readFileSync(ca, 'utf8') : undefined,
    rejectUnauthorized: settings.get('sslaccept') === 'strict',
  };
}

/** Whether a server takes TLS (SSLRequest in PostgreSQL's message formats); one that is not there says nothing. */
function offersTls(host, port) {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: 5000 }, () => socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])));
    const tell = (found) => {
      socket.destroy();
      resolve(found);
    };
    socket.once('data', (data) => tell(data[0] === 0x53));
    for (const event of ['error', 'timeout', 'close']) socket.once(event, () => tell(false));
  });
}

function seconds(settings, name, otherwise) {
  return Number(settings.get(name) ?? otherwise) * 1000;
}

/** `url` is a DATABASE_URL as Prisma reads it. */
async function connect(url) {
  const parsed = new URL(url);
  const settings = parsed.searchParams;
  const host = parsed.hostname;
  const port = Number(parsed.port || 5432);
  const schema = settings.get('schema') ?? undefined;
  const pool = new Pool({
    host,
    port,
    user: decodeURIComponent(parsed.username),
    password: decodeURIComponent(parsed.password),
    database: decodeURIComponent(parsed.pathname.slice(1)),
    max: Number(settings.get('connection_limit') ?? 10),
    // One patience for a connection of the pool and for a new one, where Prisma has two.
    connectionTimeoutMillis: Math.max(seconds(settings, 'connect_timeout', 5), seconds(settings, 'pool_timeout', 10)),
    query_timeout: seconds(settings, 'socket_timeout', 0) || undefined,
    ssl: tls(settings, await offersTls(host, port)),
  });
  pool.on('error', (error) => console.error('a connection that waited has ended:', error.message));
  const where = `${host}:${port}`;
  const adapter = bindAdapter(new PrismaPg(pool, schema ? { schema } : undefined));
  return { adapter, where, check: () => pool.query('SELECT 1') };
}

const UNREACHABLE = /ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EPIPE|Connection terminated|shutting down|starting up|terminating connection/;

/** Prisma's own code and words where the database cannot be had (Prisma's error reference, P1001 and P2024). */
function unreachable(message, where) {
  if (/timeout exceeded when trying to connect/.test(message)) {
    return { code: 'P2024', message: `Timed out fetching a new connection from the connection pool. (${message})` };
  }
  if (!UNREACHABLE.test(message)) return undefined;
  return { code: 'P1001', message: `Can't reach database server at \`${where}\`` };
}

module.exports = { connect, unreachable };

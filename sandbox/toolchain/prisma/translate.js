'use strict';
// Between the two languages of Prisma's query engine: the GraphQL that the Python client writes, and the JSON that
// the engine understands when it is WebAssembly (prisma-engines, query-engine/request-handlers, protocols).
const { parse } = require('graphql/language/parser');

// Longest first where one begins another.
const ACTIONS = [
  'findUniqueOrThrow', 'findFirstOrThrow', 'findUnique', 'findFirst', 'findMany', 'createManyAndReturn',
  'createMany', 'createOne', 'updateMany', 'updateOne', 'deleteMany', 'deleteOne', 'upsertOne', 'aggregate',
  'groupBy',
];

const RAW = ['queryRaw', 'executeRaw'];

// What may stand under a field of type Json and holds a value, not a setting of the comparison.
const JSON_OPERATORS = new Set([
  'equals', 'not', 'set', 'push', 'lt', 'lte', 'gt', 'gte', 'array_contains', 'array_starts_with',
  'array_ends_with',
]);

// Types whose values are strings in GraphQL and have to say what they are in JSON.
const TAGGED = new Set(['Json', 'Bytes']);

/** Types of fields by model: in GraphQL a Json value looks like any string. */
function fieldTypes(schema) {
  const models = new Map();
  let fields = null;
  for (const line of schema.split('\n')) {
    const model = /^model\s+(\w+)/.exec(line);
    const field = fields && /^\s+(\w+)\s+(\w+)/.exec(line);
    if (model) {
      fields = new Map();
      models.set(model[1], fields);
    } else if (line.startsWith('}')) {
      fields = null;
    } else if (field) {
      fields.set(field[1], field[2]);
    }
  }
  return models;
}

function literal(node) {
  switch (node.kind) {
    case 'IntValue': {
      const number = Number(node.value);
      return Number.isSafeInteger(number) ? number : { $type: 'BigInt', value: node.value };
    }
    case 'FloatValue': return Number(node.value);
    case 'StringValue': case 'EnumValue': case 'BooleanValue': return node.value;
    case 'NullValue': return null;
    case 'ListValue': return node.values.map(literal);
    case 'ObjectValue':
      return Object.fromEntries(node.fields.map((field) => [field.name.value, literal(field.value)]));
    default: throw new Error(`a query has a ${node.kind}, which is not known`);
  }
}

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

function tag(value, type) {
  if (typeof value === 'string') return { $type: type, value };
  if (Array.isArray(value)) return value.map((each) => tag(each, type));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(
    ([key, inner]) => [key, JSON_OPERATORS.has(key) ? tag(inner, type) : inner],
  ));
}

class Translator {
  constructor(schema) {
    this.models = fieldTypes(schema);
  }

  // `value` stands where fields of `model` may: in `where`, `data`, and what they hold.
  typed(value, model) {
    if (Array.isArray(value)) return value.map((each) => this.typed(each, model));
    if (!isObject(value) || '$type' in value) return value;
    const fields = this.models.get(model) ?? new Map();
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => {
      const type = fields.get(key);
      if (TAGGED.has(type)) return [key, tag(inner, type)];
      return [key, this.typed(inner, this.models.has(type) ? type : model)];
    }));
  }

  args(field, model) {
    // The arguments' own names are no fields, whatever fields the model has.
    return Object.fromEntries((field.arguments ?? []).map(
      (each) => [each.name.value, this.typed(literal(each.value), model)],
    ));
  }

  selection(set, model) {
    const chosen = {};
    for (const field of set?.selections ?? []) {
      const name = field.name.value;
      if (!field.selectionSet) {
        chosen[name] = true;
        continue;
      }
      const type = this.models.get(model)?.get(name);
      const inner = this.models.has(type) ? type : model;
      chosen[name] = { selection: this.selection(field.selectionSet, inner) };
      if (field.arguments?.length) chosen[name].arguments = this.args(field, inner);
    }
    return chosen;
  }

  /** One operation: the engine's question, and the name under which the answer is expected. */
  question(text) {
    const [field] = parse(text, { noLocation: true }).definitions[0].selectionSet.selections;
    const name = field.name.value;
    const alias = field.alias?.value ?? name;
    if (RAW.includes(name)) {
      return { alias, raw: true, query: { action: name, query: { arguments: this.args(field), selection: {} } } };
    }
    const action = ACTIONS.find((each) => name.startsWith(each));
    if (!action) throw new Error(`no action of the query engine is called ${name}`);
    const modelName = name.slice(action.length);
    const query = { arguments: this.args(field, modelName), selection: this.selection(field.selectionSet, modelName) };
    return { alias, raw: false, query: { modelName, action, query } };
  }
}

function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value;
  if ('$type' in value) {
    const number = Number(value.value);
    return value.$type === 'BigInt' && Number.isSafeInteger(number) ? number : value.value;
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

/** The engine's answer to one question, as the Python client reads it. */
function answer(question, said) {
  if (said.errors) return said;
  const [found] = Object.values(said.data ?? {});
  return { data: { [question.alias]: question.raw ? found : plain(found) } };
}

module.exports = { Translator, answer };

// Asks a server one thing with OpenAI's JavaScript client and prints what came of it as JSON:
//     node ask.cjs NAME OPTIONS, where OPTIONS is a JSON object with baseURL, apiKey and the request's body.

const OpenAI = require("openai");

const { baseURL, apiKey, body } = JSON.parse(process.argv[3]);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });

const asks = {
  chat: () => client.chat.completions.create(body),

  chatStream: async () => {
    const chunks = [];
    for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) chunks.push(chunk);
    return chunks;
  },

  completion: () => client.completions.create(body),

  embedding: () => client.embeddings.create(body),

  models: async () => (await client.models.list()).data.map((model) => model.id),

  model: () => client.models.retrieve(body.model),

  tool: async () => {
    const given = [];
    const tools = body.tools.map((tool) => ({
      ...tool,
      function: { ...tool.function, parse: JSON.parse, function: (args) => given.push(args) && "told" },
    }));
    const runner = client.chat.completions.runTools({ ...body, tools });
    await runner.done();
    return given;
  },

  toolStream: async () => {
    const runner = client.chat.completions.stream(body);
    return (await runner.finalChatCompletion()).choices[0];
  },
};

asks[process.argv[2]]().then(
  (answer) => console.log(JSON.stringify({ answer })),
  (error) => console.log(JSON.stringify({ error: { ...error, name: error.constructor.name, message: error.message } })),
);

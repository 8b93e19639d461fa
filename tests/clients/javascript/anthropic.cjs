// Asks a server one thing with Anthropic's JavaScript client and prints what came of it as JSON:
//     node anthropic.cjs NAME OPTIONS, where OPTIONS is a JSON object with baseURL, apiKey and the request's body.

const Anthropic = require("@anthropic-ai/sdk");

const { baseURL, apiKey, body } = JSON.parse(process.argv[3]);
const client = new Anthropic({ baseURL, apiKey, maxRetries: 0 });

const asks = {
  message: () => client.messages.create(body),

  stream: async () => {
    const pieces = [];
    const stream = client.messages.stream(body).on("text", (text) => pieces.push(text));
    return { pieces, message: await stream.finalMessage() };
  },

  count: () => client.messages.countTokens(body),
};

asks[process.argv[2]]().then(
  (answer) => console.log(JSON.stringify({ answer })),
  (error) => console.log(JSON.stringify({ error: { name: error.constructor.name, status: error.status } })),
);

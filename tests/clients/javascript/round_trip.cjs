// Makes a tool round trip with the AI SDK, and one turn more on top of it, and prints what came of it as JSON:
//     node round_trip.cjs generate|stream OPTIONS, where OPTIONS is a JSON object with the names below.

const { generateText, jsonSchema, stepCountIs, streamText, tool } = require("ai");
const { createOpenAICompatible } = require("@ai-sdk/openai-compatible");

const given = JSON.parse(process.argv[3]);
const provider = createOpenAICompatible({ name: "jan-ort", baseURL: given.baseURL, apiKey: given.apiKey });
const cities = [];
const execute = ({ city }) => {
  cities.push(city);
  return given.told.replace("{city}", city);
};
const options = {
  model: provider(given.model),
  system: given.instructions,
  temperature: 0,
  maxOutputTokens: given.maxTokens,
  maxRetries: 0,
  tools: {
    [given.name]: tool({ description: given.description, inputSchema: jsonSchema(given.parameters), execute }),
  },
};

// What all steps said is in responseMessages since version 7, and in the response before.
const asks = {
  generate: async (more) => {
    const { text, response, responseMessages } = await generateText({ ...options, ...more });
    return { text, messages: responseMessages ?? response.messages };
  },

  stream: async (more) => {
    const deltas = [];
    const result = streamText({ ...options, ...more, onError: () => {} });
    for await (const part of result.fullStream) {
      if (part.type === "error") throw part.error;
      if (part.type === "text-delta") deltas.push(part.text);
    }
    const messages = (await result.responseMessages) ?? (await result.response).messages;
    return { text: deltas.join(""), messages };
  },
};

async function main() {
  const ask = asks[process.argv[2]];
  const prepareStep = ({ stepNumber }) => ({ toolChoice: stepNumber ? "auto" : "required" });
  const first = await ask({ messages: given.messages, prepareStep, stopWhen: stepCountIs(2) });
  const told = [...cities];
  const followUp = { role: "user", content: given.followUp };
  const second = await ask({ messages: [...given.messages, ...first.messages, followUp] });
  console.log(JSON.stringify({ cities: told, answers: [first.text, second.text] }));
}

main();

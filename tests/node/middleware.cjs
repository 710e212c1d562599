// The official LINE middleware behind Node's own server, for the tests.
//
//   node middleware.cjs FOLDER SECRET     FOLDER holds node_modules; prints its port, then serves until its input ends
//
// 200 with the kinds of events that the middleware read, 401 for a wrong signature, 400 for what is no JSON: the
// answers that LINE's own examples give to the middleware's errors.
"use strict";

const { createRequire } = require("node:module");
const { createServer } = require("node:http");

const [folder, channelSecret] = process.argv.slice(2);
const line = createRequire(folder + "/")("@line/bot-sdk");
const check = line.middleware({ channelSecret });

const server = createServer((request, response) => {
  const answer = (status, body) => {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(body));
  };
  check(request, response, (error) => {
    if (error instanceof line.SignatureValidationFailed) return answer(401, error.message);
    if (error instanceof line.JSONParseError) return answer(400, error.message);
    if (error) return answer(500, String(error));
    return answer(200, (request.body.events ?? []).map((event) => event.type));
  });
});

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume().on("end", () => process.exit(0));

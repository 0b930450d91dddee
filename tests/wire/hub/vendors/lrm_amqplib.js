// An LRM's round trip with amqplib, as its vendor writes it. Arguments: see `test_vendors.py`.
"use strict";
const fs = require("fs");
const amqp = require("amqplib");

const [host, port, vhost, client, ca, cert, key, , ack, wrong] = process.argv.slice(2);

const received = (channel, queue) => new Promise((resolve, reject) => {
  const late = setTimeout(() => reject(new Error(`nothing in ${queue}`)), 20000);
  channel.consume(queue, (message) => {
    clearTimeout(late);
    channel.ack(message);
    channel.cancel(message.fields.consumerTag).then(() => resolve(message.content.toString()), reject);
  }).catch(reject);
});

async function main() {
  const url = `amqps://${host}:${port}/${encodeURIComponent(vhost)}`;
  const files = { ca: [fs.readFileSync(ca)], cert: fs.readFileSync(cert), key: fs.readFileSync(key) };
  const connection = await amqp.connect(url, { ...files, credentials: amqp.credentials.external() });
  const channel = await connection.createConfirmChannel();
  await channel.prefetch(1);
  const { queue } = await channel.checkQueue(`${client}.message`);
  console.log(`declared\t${queue}`);
  console.log(`message\t${await received(channel, queue)}`);
  for (const file of [ack, wrong]) {
    channel.publish("hubsante", client, fs.readFileSync(file), { contentType: "application/json", persistent: true });
  }
  await channel.waitForConfirms();
  console.log(`error\t${await received(channel, `${client}.info`)}`);
  await connection.close();
}

main().catch((error) => { console.error(error); process.exit(1); });

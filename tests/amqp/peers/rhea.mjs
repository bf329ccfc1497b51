// rhea as client: sends, is settled, large message, reads, is refused. One line: PASS or FAIL.
import { strict as assert } from 'node:assert';
import { createRequire } from 'node:module';
const rhea = createRequire(import.meta.url)('rhea');
const [port, sasl] = process.argv.slice(2);
const count = 500;

const container = rhea.create_container();
const connection = container.connect({
  host: '127.0.0.1', port: Number(port), reconnect: false,
  ...(sasl === 'anonymous' ? { username: 'anonymous' } : {}),
});
const finish = (error) => {
  console.log(error ? `FAIL ${error.stack ?? error}` : 'PASS');
  process.exit(error ? 1 : 0);
};
setTimeout(() => finish('no answer in time'), 20000);
container.on('disconnected', (context) => finish(context.error ?? 'disconnected'));

let sent = 0;
let accepted = 0;
const sender = connection.open_sender('telemetry');
sender.on('sendable', () => {
  while (sent < count && sender.sendable()) {
    const size = sent === 7 ? 200000 : 300;
    sender.send({
      message_id: `m-${sent}`, application_properties: { n: sent, text: 'ü' },
      message_annotations: { 'x-opt-a': 1 },
      body: rhea.message.data_section(Buffer.alloc(size, 'x')),
    });
    sent += 1;
  }
});
sender.on('accepted', () => { accepted += 1; if (accepted === count) read(); });

function read() {
  let got = 0;
  const receiver = connection.open_receiver({
    source: { address: 'telemetry', filter: rhea.filter.selector("x > '1'") }, credit_window: 10,
  });
  receiver.on('message', (context) => {
    try {
      assert.equal(context.message.message_id, `m-${got}`);
      assert.equal(context.message.application_properties.text, 'ü');
      assert.equal(context.message.body.content.length, got === 7 ? 200000 : 300);
    } catch (error) { finish(error); }
    got += 1;
    if (got === count) refused();
  });
}

function refused() {
  const none = connection.open_sender('refused');
  none.on('sender_error', () => {
    if (none.error.condition !== 'amqp:not-found') finish(none.error);
    connection.on('connection_close', () => finish());
    container.removeAllListeners('disconnected');
    connection.close();
  });
}

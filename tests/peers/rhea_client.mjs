// rhea as a gateway. peers_test.py says what it prints. The package is that of tests/amqp/peers.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const rhea = createRequire(new URL('../amqp/peers/', import.meta.url))('rhea');
const [host, port, authority, resource, token, address, first, count, size] = process.argv.slice(2);

const say = (...words) => console.log(words.join(' '));
const names = Array.from({ length: Number(count) }, (_, i) => `n-${Number(first) + i}`);
let next = 0;
let ended = 0;
let creditMax = 0;

const container = rhea.create_container();
const connection = container.connect({
  host, port: Number(port), transport: 'tls', ca: [readFileSync(authority)], servername: host, reconnect: false, username: 'anonymous',
});
const finish = (code) => {
  if (creditMax > 0) say('credit-max', creditMax);
  process.exit(code);
};
const close = () => {
  container.removeAllListeners('disconnected');
  connection.on('connection_close', () => finish(0));
  connection.close();
};
container.on('disconnected', (context) => { say('cut', context.error?.code ?? 'disconnected'); finish(3); });
container.on('connection_error', () => {});

const answers = connection.open_receiver({ source: '$cbs', target: 'cbs' });
const asks = connection.open_sender('$cbs');
asks.once('sendable', () => asks.send({
  message_id: '1', reply_to: 'cbs', body: token,
  application_properties: { operation: 'put-token', type: 'servicebus.windows.net:sastoken', name: resource },
}));
answers.on('message', (context) => {
  const status = context.message.application_properties['status-code'];
  say('token', status);
  if (status === 200 || status === 202) send();
  else close();
});

function send() {
  const sender = connection.open_sender(address);
  const sent = new Map();
  sender.on('sender_open', () => { if (sender.target?.address) say('link open'); });
  sender.on('sender_error', () => { say('link refused', sender.error.condition); close(); });
  sender.on('sendable', () => {
    creditMax = Math.max(creditMax, sender.credit);
    while (next < names.length && sender.sendable()) {
      const name = names[next];
      const delivery = sender.send({ body: rhea.message.data_section(Buffer.from(name.padEnd(Number(size), '.'))) });
      sent.set(delivery.id, name);
      next += 1;
    }
  });
  const settled = (word) => (context) => {
    const condition = context.delivery.remote_state?.error?.condition;
    say(word, sent.get(context.delivery.id), ...(condition ? [condition] : []));
    ended += 1;
    if (ended === names.length) close();
  };
  sender.on('accepted', settled('accepted'));
  sender.on('rejected', settled('rejected'));
  sender.on('released', settled('released'));
}

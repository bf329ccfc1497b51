// The case study's connector (IoTHubReceiver and UDPConnector), on today's SDK: reads every partition of the hub from a
// start time, history first and then what comes; sends each body as one UDP datagram to a network server, takes its
// answers over TCP, and sends each as a document to `readings`. On a broken connection it begins again, each
// partition at the last enqueue time that it saw there (the original began at the present, and lost what came meanwhile).
//
//   HUB_CONNECTION_STRING       Endpoint=sb://host:port/;SharedAccessKeyName=…;SharedAccessKey=…;EntityPath=telemetry
//   READINGS_CONNECTION_STRING  the same with EntityPath=readings and a policy that may send
//   NS=host:port                the network server's UDP port
//   LOCAL_PORT=n                UDP port to send from and TCP port for answers: the server answers where it was asked
//   START=TIME                  RFC 3339; the beginning when not given
//   PROFILE=v1|poc-2016         how a payload becomes figures; poc-2016 is the original's own arithmetic
//   CA_FILE=path
//
// One line of JSON on standard output for each thing that happens; SIGTERM ends it once its documents are sent.
import dgram from 'node:dgram';
import net from 'node:net';
import { useCa, env, need, num, sleep } from './common.mjs';
useCa();
const { EventHubConsumerClient, EventHubProducerClient, earliestEventPosition } = await import('@azure/event-hubs');

// The SDK tells of a broken connection at once; this script is what tries again.
const retryOptions = { maxRetries: 0, timeoutInMs: 10_000 };
const historyWait = 20_000;
const lookAgain = 2_000;
const say = (what, facts = {}) => console.log(JSON.stringify({ what, time: new Date().toISOString(), ...facts }));

// ---- from an answer to the final document ----

const asPublished = (app) => ({
  moteeui: app.moteeui,
  dir: app.dir,
  userdata: { seqno: app.userdata.seqno, port: app.userdata.port, payload: app.userdata.payload },
  // The published class has a member `mode`, which no server fills.
  motetx: { freq: app.motetx.freq, mode: null, datr: app.motetx.datr, codr: app.motetx.codr, adr: app.motetx.adr },
  gwrx: app.gwrx.map(({ eui, time, timefromgateway, chan, rfch, rssi, lsnr }) => ({ eui, time, timefromgateway, chan, rfch, rssi, lsnr })),
});

// Big-endian litres, as the meters mean them.
const readPayload = (bytes) => ({
  type: bytes[0],
  code: bytes[1],
  bought: bytes.readUInt32BE(2) / 1000,
  left: bytes.readInt32BE(6) / 1000,
  used: bytes.readUInt32BE(10) / 1000,
  status: bytes.readUInt16BE(14),
  version: bytes.toString('latin1', 16, 20),
});

// BitConverter.ToInt16 of the first two bytes: little-endian, and half of the number.
const readPayloadAsPublished = (bytes) => ({
  type: bytes[0],
  code: bytes[1],
  bought: bytes.readInt16LE(2) / 1000,
  left: bytes.readInt16LE(6) / 1000,
  used: bytes.readInt16LE(10) / 1000,
  status: bytes.readInt16LE(14),
  version: bytes.toString('latin1', 16, 20),
});

// Nothing for an answer without a reading: a gateway's report, a heartbeat, an error.
function documentOf(answer, published) {
  const { app } = answer;
  if (!app || !app.userdata || !app.gwrx || app.gwrx.length === 0) return undefined;
  const payload = Buffer.from(app.userdata.payload, 'base64');
  const origin = { gw: null, mote: null, app: published ? asPublished(app) : app };
  if (payload.length < 20) return { originData: origin, userData: null };
  const figures = published ? readPayloadAsPublished(payload) : readPayload(payload);
  return { originData: origin, userData: { ...figures, time: app.gwrx[0].time } };
}

// ---- the network server ----

// JSON objects one after another, split over reads at will.
class ObjectStream {
  #text = '';
  take(chunk) {
    this.#text += chunk.replaceAll('\0', '');
    const lines = this.#text.split('\n');
    this.#text = lines.pop();
    return lines.filter((line) => line.trim() !== '').map((line) => JSON.parse(line));
  }
}

class NetworkServer {
  #udp = dgram.createSocket('udp4');
  #to;
  #tcp;
  sent = 0;
  constructor(address, onAnswer) {
    const [host, port] = address.split(':');
    this.#to = { host, port: Number(port) };
    this.#tcp = net.createServer((socket) => {
      say('network server connected');
      const stream = new ObjectStream();
      socket.setEncoding('utf8');
      socket.on('data', (chunk) => stream.take(chunk).forEach(onAnswer));
      socket.on('error', (error) => say('network server failed', { error: error.message }));
    });
  }
  async open(port) {
    await new Promise((resolve, reject) => this.#udp.on('error', reject).bind(port, '127.0.0.1', resolve));
    await new Promise((resolve, reject) => this.#tcp.on('error', reject).listen(port, '127.0.0.1', resolve));
  }
  send(body) {
    this.sent += 1;
    return new Promise((resolve, reject) => {
      this.#udp.send(body, this.#to.port, this.#to.host, (error) => (error ? reject(error) : resolve()));
    });
  }
  close() {
    this.#udp.close();
    this.#tcp.close();
  }
}

// ---- documents to the hub ----

class Documents {
  #connection;
  #waiting = [];
  #closing = false;
  sent = 0;
  constructor(connection) {
    this.#connection = connection;
  }
  add(document) {
    this.#waiting.push({ body: Buffer.from(JSON.stringify(document)), contentType: 'application/json' });
  }
  // Sends what waits, until closed; what a broken connection refused is sent again.
  async run() {
    let producer = new EventHubProducerClient(this.#connection, { retryOptions });
    while (!this.#closing || this.#waiting.length > 0) {
      if (this.#waiting.length === 0) {
        await sleep(20);
        continue;
      }
      try {
        await this.#sendSome(producer);
      } catch (error) {
        say('documents not sent', { error: error.message });
        await producer.close().catch(() => {});
        await sleep(500);
        producer = new EventHubProducerClient(this.#connection, { retryOptions });
      }
    }
    await producer.close().catch(() => {});
  }
  async #sendSome(producer) {
    const batch = await producer.createBatch();
    let count = 0;
    while (count < this.#waiting.length && batch.tryAdd(this.#waiting[count])) count += 1;
    if (count === 0) throw new Error('a document does not fit into a batch');
    await producer.sendBatch(batch);
    this.#waiting.splice(0, count);
    this.sent += count;
  }
  close() {
    this.#closing = true;
  }
}

// ---- the hub ----

// What one partition has sent: history is done at the event that was its last when the receiver opened.
class Partition {
  events = [];
  done;
  #wake = () => {};
  constructor(id, lastSequence) {
    this.id = id;
    this.lastSequence = lastSequence;
  }
  push(events) {
    this.events.push(...events);
    this.#wake();
  }
  // As ReceiveAsync(count, time): what there is, or the first that comes in time.
  async receive(milliseconds) {
    if (this.events.length === 0) {
      await Promise.race([new Promise((resolve) => (this.#wake = resolve)), sleep(milliseconds)]);
    }
    return this.events.splice(0);
  }
}

class Hub {
  #connection;
  #start;
  #lastSeen = new Map(); // partition → time of its last event
  #stopped = false;
  counts = { history: 0, current: 0, connections: 0 };
  constructor(connection, start) {
    this.#connection = connection;
    this.#start = start;
  }
  stop() {
    this.#stopped = true;
  }
  async run(forward) {
    while (!this.#stopped) {
      const client = new EventHubConsumerClient('$Default', this.#connection, { retryOptions });
      try {
        await this.#readAll(client, forward);
      } catch (error) {
        say('hub connection broken', { error: error.message });
        await sleep(300);
      } finally {
        await client.close().catch(() => {});
      }
    }
  }
  async #readAll(client, forward) {
    const { partitionIds } = await client.getEventHubProperties();
    this.counts.connections += 1;
    say('hub connected', { partitions: partitionIds.length });
    const broken = {};
    const failed = new Promise((_, reject) => (broken.reject = reject));
    failed.catch(() => {});
    const open = [];
    const openWithData = async () => {
      for (const id of partitionIds.filter((one) => !open.some((partition) => partition.id === one))) {
        const { lastEnqueuedSequenceNumber } = await client.getPartitionProperties(id);
        if (lastEnqueuedSequenceNumber > -1) open.push(this.#openReceiver(client, id, lastEnqueuedSequenceNumber, broken.reject));
      }
    };
    await openWithData();
    await Promise.race([this.#history(open, forward), failed]);
    say('history read', { events: this.counts.history });
    let looked = Date.now();
    while (!this.#stopped) {
      for (const partition of open) {
        const events = await Promise.race([partition.receive(1000 / Math.max(1, open.length)), failed]);
        this.counts.current += events.length;
        await this.#forward(partition, events, forward);
      }
      if (open.length === 0) await Promise.race([sleep(200), failed]);
      if (open.length < partitionIds.length && Date.now() - looked > lookAgain) {
        await openWithData();
        looked = Date.now();
      }
    }
  }
  #openReceiver(client, id, lastSequence, failed) {
    const partition = new Partition(id, lastSequence);
    const seen = this.#lastSeen.get(id);
    // Positions are whole milliseconds and exclusive: one earlier, and what comes twice is a copy to the platform.
    const from = seen ? { enqueuedOn: seen.getTime() - 1 } : this.#start ? { enqueuedOn: this.#start } : earliestEventPosition;
    client.subscribe(
      id,
      { processEvents: async (events) => partition.push(events), processError: async (error) => failed(error) },
      { startPosition: from, maxBatchSize: 100, maxWaitTimeInSeconds: 60, skipParsingBodyAsJson: true },
    );
    say('receiver open', { partition: id, last: lastSequence, from: seen?.toISOString() ?? this.#start ?? 'the beginning' });
    return partition;
  }
  async #history(open, forward) {
    for (const partition of open) {
      for (let last = -1; last < partition.lastSequence && !this.#stopped; ) {
        const events = await partition.receive(historyWait);
        if (events.length === 0) break; // all of it is older than the start
        last = events.at(-1).sequenceNumber;
        this.counts.history += events.length;
        await this.#forward(partition, events, forward);
      }
    }
  }
  async #forward(partition, events, forward) {
    for (const event of events) {
      await forward(event.body);
      this.#lastSeen.set(partition.id, event.enqueuedTimeUtc);
    }
  }
}

// ---- all together ----

const published = env('PROFILE', 'v1') === 'poc-2016';
const documents = new Documents(need('READINGS_CONNECTION_STRING'));
let answers = 0;
const ns = new NetworkServer(need('NS'), (answer) => {
  answers += 1;
  const document = documentOf(answer, published);
  if (document) documents.add(document);
});
await ns.open(num('LOCAL_PORT', 0));
const hub = new Hub(need('HUB_CONNECTION_STRING'), env('START'));
const sending = documents.run();
const report = () => say('counts', { ...hub.counts, datagrams: ns.sent, answers, documents: documents.sent });
const reporting = setInterval(report, 1000);
process.on('SIGTERM', () => hub.stop());
await hub.run((body) => ns.send(Buffer.from(body)));
await sleep(500); // answers that are under way
documents.close();
await sending;
clearInterval(reporting);
ns.close();
report();
process.exit(0);

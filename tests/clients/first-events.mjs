// Prints bodies of the first events of an event hub's partitions, a line of JSON each: {partition, sequence, body}.
//
//   EVENTHUB_CONNECTION_STRING  of the event hub     COUNT=1  how many     TIMEOUT_S=60  CA_FILE=path
import { useCa, num, need, finish } from './common.mjs';
useCa();
const { EventHubConsumerClient, earliestEventPosition } = await import('@azure/event-hubs');

const client = new EventHubConsumerClient('$Default', need('EVENTHUB_CONNECTION_STRING'));
const wanted = num('COUNT', 1);
let seen = 0;
setTimeout(() => finish(false, 'first-events', { seen, wanted }), num('TIMEOUT_S', 60) * 1000).unref();
await new Promise((resolve, reject) => {
  client.subscribe(
    {
      processEvents: async (events, { partitionId }) => {
        for (const event of events) {
          if (seen === wanted) return;
          seen += 1;
          console.log(JSON.stringify({ partition: partitionId, sequence: event.sequenceNumber, body: event.body.toString('utf8') }));
          if (seen === wanted) resolve();
        }
      },
      processError: async (error) => reject(error),
    },
    { startPosition: earliestEventPosition, skipParsingBodyAsJson: true },
  );
});
await client.close();
process.exit(0);

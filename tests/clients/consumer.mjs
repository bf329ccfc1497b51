// A consumer in a process of its own, which a case may kill: reads with a checkpoint store, prints a line for each event and checkpoint.
//   CONNECTION, GROUP, STORAGE (connection string of the blob service), CONTAINER
import * as eventHubs from '@azure/event-hubs';
import * as checkpointStore from '@azure/eventhubs-checkpointstore-blob';
import * as blob from '@azure/storage-blob';

const { CONNECTION, GROUP, STORAGE, CONTAINER } = process.env;
const container = new blob.ContainerClient(STORAGE, CONTAINER);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const client = new eventHubs.EventHubConsumerClient(GROUP, CONNECTION, new checkpointStore.BlobCheckpointStore(container), {
  loadBalancingOptions: { strategy: 'greedy', updateIntervalInMs: 500, partitionOwnershipExpirationIntervalInMs: 10_000 },
});
client.subscribe({
  processInitialize: async (context) => say({ owns: context.partitionId }),
  processClose: async (reason, context) => say({ leaves: context.partitionId, reason }),
  processError: async (err) => say({ error: err.code || err.name, text: err.message }),
  processEvents: async (events, context) => {
    for (const event of events)
      say({ partition: context.partitionId, sequence: event.sequenceNumber, key: event.partitionKey, body: String(Buffer.from(event.body)) });
    if (events.length === 0) return;
    await context.updateCheckpoint(events.at(-1));
    say({ noted: events.at(-1).sequenceNumber, partition: context.partitionId });
  },
}, { startPosition: { offset: '-1' }, maxBatchSize: 10, maxWaitTimeInSeconds: 1, skipParsingBodyAsJson: true });
say({ ready: true });

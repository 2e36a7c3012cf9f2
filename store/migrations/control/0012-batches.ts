/** How batches were cut that were sent and are not settled: sent again, they are the same, under the same id. */
export const sql = `
CREATE TABLE outhaul.batches (
  destination_no int NOT NULL REFERENCES outhaul.destinations ON DELETE CASCADE,
  batch_id text COLLATE "C" NOT NULL,
  delivery_nos bigint[] NOT NULL,
  owed_xids xid8[] NOT NULL,
  not_taken boolean NOT NULL DEFAULT false,
  PRIMARY KEY (destination_no, batch_id)
);
COMMENT ON COLUMN outhaul.batches.owed_xids IS 'Of each of its deliveries: one that is owed by another transaction by now was settled, and is owed anew.';
COMMENT ON COLUMN outhaul.batches.not_taken IS 'It was never sent, or refused each time: known while nobody has claimed the destination.';
`;

#!/bin/sh
# The good agent of the demo: tries its change on the test database, as roughly as it likes, and writes code.
set -eu
echo "trying a migration on $PGDATABASE, port $PGPORT"
psql -X -q -v ON_ERROR_STOP=1 "$DATABASE_URL" <<'SQL'
ALTER TABLE "SKU" ADD COLUMN "lowStockAt" int NOT NULL DEFAULT 10;
DELETE FROM "Transaction" WHERE id % 2 = 0;
SQL
mkdir -p migrations
echo 'ALTER TABLE "SKU" ADD COLUMN "lowStockAt" int NOT NULL DEFAULT 10;' > migrations/001_low_stock.sql
echo '- SKUs have a low-stock limit (migration 001).' >> CHANGES.md
echo "wrote migrations/001_low_stock.sql and CHANGES.md; tests pass"

-- A small inventory: the three tables of the strategy, with keys, checks, defaults and a trigger.
CREATE TABLE "Component" (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL UNIQUE,
    quantity numeric(12, 2) NOT NULL DEFAULT 0 CHECK (quantity >= 0),
    notes text
);
CREATE TABLE "SKU" (
    id serial PRIMARY KEY,
    code text NOT NULL UNIQUE,
    "componentId" int NOT NULL REFERENCES "Component" (id),
    price numeric(10, 2) NOT NULL
);
CREATE TABLE "Transaction" (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "skuId" int NOT NULL REFERENCES "SKU" (id),
    quantity int NOT NULL,
    "at" timestamptz NOT NULL DEFAULT '2026-01-01 08:00+00'
);
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER sku_touched BEFORE UPDATE ON "SKU" FOR EACH ROW EXECUTE FUNCTION touched();
CREATE VIEW stock AS SELECT code, quantity FROM "Component" WHERE quantity > 0;
INSERT INTO "Component" (code, quantity) SELECT 'C' || n, n * 3 FROM generate_series(1, 50) AS n;
INSERT INTO "SKU" (code, "componentId", price) SELECT 'S' || n, 1 + n % 50, n * 1.5 FROM generate_series(1, 100) AS n;
INSERT INTO "Transaction" ("skuId", quantity) SELECT 1 + n % 100, n FROM generate_series(1, 400) AS n;

-- The tables of the inventory. The application's role may SELECT, INSERT and UPDATE; nothing is ever deleted, so what is
-- out of use has archived_at, and a wrong count is put right by another transaction.

CREATE TABLE "Component" (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL UNIQUE,
    name text NOT NULL,
    unit text NOT NULL DEFAULT 'pcs',
    on_hand numeric(12, 2) NOT NULL DEFAULT 0 CHECK (on_hand >= 0),
    reorder_at numeric(12, 2) NOT NULL DEFAULT 0,
    archived_at timestamptz
);

CREATE TABLE "SKU" (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL UNIQUE,
    name text NOT NULL,
    price numeric(10, 2) NOT NULL CHECK (price >= 0),
    on_hand int NOT NULL DEFAULT 0 CHECK (on_hand >= 0),
    archived_at timestamptz
);

CREATE TABLE "Recipe" (
    sku_id int NOT NULL REFERENCES "SKU",
    component_id int NOT NULL REFERENCES "Component",
    quantity numeric(12, 2) NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (sku_id, component_id)
);

CREATE TABLE "Transaction" (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL CHECK (kind IN ('receive', 'build', 'adjust')),
    component_id int REFERENCES "Component",
    sku_id int REFERENCES "SKU",
    quantity numeric(12, 2) NOT NULL CHECK (quantity <> 0),
    note text NOT NULL DEFAULT '',
    CHECK (num_nonnulls(component_id, sku_id) = 1)
);

CREATE INDEX ON "Transaction" (at DESC, id DESC);

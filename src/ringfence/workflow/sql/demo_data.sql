-- Sample data of the demo: 200 components, 1,000 SKUs built from them, 4,000 stock movements.
CREATE TABLE public."Component" (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL UNIQUE,
    name text NOT NULL,
    "onHand" numeric(12, 2) NOT NULL CHECK ("onHand" >= 0)
);
CREATE TABLE public."SKU" (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL UNIQUE,
    "componentId" int NOT NULL REFERENCES public."Component" (id),
    price numeric(10, 2) NOT NULL CHECK (price > 0)
);
CREATE TABLE public."Transaction" (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "skuId" int NOT NULL REFERENCES public."SKU" (id),
    kind text NOT NULL CHECK (kind IN ('receive', 'build', 'adjust')),
    quantity int NOT NULL,
    "at" timestamptz NOT NULL
);
CREATE INDEX ON public."Transaction" ("skuId");
INSERT INTO public."Component" (code, name, "onHand")
SELECT 'C-' || pg_catalog.lpad(n::text, 4, '0'), 'Component ' || n, (n * 37) % 500
FROM pg_catalog.generate_series(1, 200) AS n;
INSERT INTO public."SKU" (code, "componentId", price)
SELECT 'S-' || pg_catalog.lpad(n::text, 5, '0'), 1 + n % 200, 4.90 + (n * 7) % 300
FROM pg_catalog.generate_series(1, 1000) AS n;
INSERT INTO public."Transaction" ("skuId", kind, quantity, "at")
SELECT 1 + n % 1000, (ARRAY['receive', 'build', 'adjust'])[1 + n % 3], 1 + n % 40,
       timestamptz '2026-01-01 08:00+00' + n * interval '37 minutes'
FROM pg_catalog.generate_series(1, 4000) AS n;

-- A small bicycle-light workshop.
INSERT INTO "Component" (code, name, unit, on_hand, reorder_at) VALUES
    ('LED-W', 'LED, white, 3 W', 'pcs', 240, 100),
    ('LED-R', 'LED, red, 1 W', 'pcs', 180, 100),
    ('HSG-F', 'Housing, front', 'pcs', 60, 40),
    ('HSG-B', 'Housing, back', 'pcs', 34, 40),
    ('BAT-18', 'Battery 18650', 'pcs', 75, 50),
    ('CBL-02', 'Cable, two wires', 'm', 120.50, 25),
    ('SCR-M3', 'Screw M3 x 8', 'pcs', 1900, 500);

INSERT INTO "SKU" (code, name, price, on_hand) VALUES
    ('FRONT-100', 'Front light 100 lux', 49.90, 12),
    ('BACK-20', 'Back light 20 lux', 24.50, 20),
    ('SET-1', 'Set, front and back', 69.00, 4);

INSERT INTO "Recipe" (sku_id, component_id, quantity)
SELECT s.id, c.id, r.quantity
FROM (VALUES
    ('FRONT-100', 'LED-W', 2), ('FRONT-100', 'HSG-F', 1), ('FRONT-100', 'BAT-18', 1), ('FRONT-100', 'SCR-M3', 4),
    ('FRONT-100', 'CBL-02', 0.25), ('BACK-20', 'LED-R', 3), ('BACK-20', 'HSG-B', 1), ('BACK-20', 'SCR-M3', 2),
    ('SET-1', 'LED-W', 2), ('SET-1', 'LED-R', 3), ('SET-1', 'HSG-F', 1), ('SET-1', 'HSG-B', 1), ('SET-1', 'BAT-18', 2)
) AS r (sku, component, quantity)
JOIN "SKU" AS s ON s.code = r.sku
JOIN "Component" AS c ON c.code = r.component;

INSERT INTO "Transaction" (at, kind, component_id, quantity, note)
SELECT timestamptz '2026-11-02 08:00:00+00' + id * interval '7 minutes', 'receive', id, on_hand, 'opening stock'
FROM "Component" ORDER BY id;

INSERT INTO "Transaction" (at, kind, sku_id, quantity, note)
SELECT timestamptz '2026-11-02 10:00:00+00' + id * interval '11 minutes', 'build', id, on_hand, 'opening stock'
FROM "SKU" ORDER BY id;

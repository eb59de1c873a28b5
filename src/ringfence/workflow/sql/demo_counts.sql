-- What a check by counts would look at.
SELECT 'Component', pg_catalog.count(*) FROM public."Component"
UNION ALL SELECT 'SKU', pg_catalog.count(*) FROM public."SKU"
UNION ALL SELECT 'Transaction', pg_catalog.count(*) FROM public."Transaction"

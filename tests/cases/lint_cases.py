"""Files that a rule must find something in, and files that it must not: for each rule at least as many of the latter.

The project: production is web port 4545, database port 4546, database inventory, container inventory-db-prod, volume
inventory_data_prod, host db.example.com; test is 2345, 2346, inventory_test.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    path: str
    source: str
    line: int = 1


MUST: dict[str, list[Case]] = {
    "absolute-url": [
        Case("e2e/a.spec.ts", "await page.goto('http://localhost:4545/skus');"),
        Case("e2e/a.spec.ts", "await page.goto('http://localhost:2345/skus');"),
        Case("e2e/a.spec.ts", "await page.goto(`http://127.0.0.1:${4500 + 45}/skus`);"),
        Case("e2e/a.spec.ts", "const BASE = 'http://localhost:4545';\nawait page.goto(BASE + '/skus');"),
        Case("tests/shop.spec.ts", "import { test } from '@playwright/test';\nawait page.goto('https://shop.example/x');", 2),
        Case("cypress/e2e/a.cy.js", "cy.visit('http://localhost:4545/');"),
        Case("e2e/a.spec.tsx", "const x = <a href=\"http://localhost:4545/x\">x</a>;"),
        Case("e2e/a.spec.ts", "await request.get(\"http://\" + \"localhost:4545\" + `/api`);"),
        Case("tests/e2e/test_shop.py", 'page.goto("http://localhost:4545/skus")'),
        Case("tests/test_shop.py", 'from playwright.sync_api import Page\npage.goto(f"http://localhost:{4545}/skus")', 2),
        Case("e2e/a.spec.ts", "const url = process.env.TEST_BASE_URL || 'http://localhost:4545';"),
        Case("e2e/a.spec.ts", "await page.goto('http:\\u002f\\u002flocalhost:4545/skus');"),
    ],
    "production-address": [
        Case("tests/db.test.ts", "const client = new Client({ port: 4546 });"),
        Case("tests/db.test.ts", "const pool = connect('postgresql://inventory_app@localhost:4546/inventory');"),
        Case("tests/db.test.ts", "const HOST = 'localhost';\nconst url = `postgres://${HOST}:4546/x`;", 2),
        Case("tests/db.test.ts", "const o = { database: 'inventory', user: 'x' };"),
        Case("tests/db.test.js", "exec('docker exec inventory-db-prod psql');"),
        Case("tests/test_db.py", 'connect("host=localhost port=4546 dbname=inventory")'),
        Case("tests/conftest.py", 'DATABASE_PORT = "4546"'),
        Case("tests/test_db.py", 'URL = "postgresql://u@" + "db.example.com" + "/inventory"'),
        Case("tests/test_db.py", 'engine = create_engine("postgresql+psycopg://u@localhost:" + str(4546) + "/x")'),
        Case("tests/e2e.yaml", "services:\n  db:\n    url: postgresql://u@127.0.0.1:4546/inventory\n", 3),
        Case("tests/run.sh", "psql -p 4546 -c 'select 1'"),
        Case("tests/fixtures/config.json", '{"db": {"port": 4546}}'),
        Case(".github/tests/.env.test", "PGPORT=4546"),
        Case("tests/db.test.ts", "const prod = { volume: 'inventory_data_prod' };"),
    ],
    "playwright-base-url": [
        Case("playwright.config.ts", "export default defineConfig({ use: { baseURL: 'http://localhost:2345' } });"),
        Case("playwright.config.ts", "export default defineConfig({ use: {} });"),
        Case("playwright.config.ts", "// TEST_BASE_URL is read elsewhere\nexport default { use: { baseURL: url } };"),
        Case("playwright.config.ts", "export default { use: { baseURL: process.env.TEST_BASE_URL ?? 'http://localhost:4545' } };"),
        Case("playwright.config.ts", "export default { use: { baseURL: process.env.TEST_BASE_URL || `http://127.0.0.1:${4545}` } };"),
        Case("playwright.config.js", "const D = 'http://localhost:4545';\nmodule.exports = { use: { baseURL: process.env.TEST_BASE_URL || D } };", 2),
        Case("cypress.config.ts", "export default defineConfig({ e2e: { baseUrl: 'http://localhost:3000' } });"),
        Case("playwright.config.ts", "export default { use: { baseURL: process.env.BASE_URL } };"),
    ],
    "dotenv-fallback": [
        Case("playwright.config.ts", "import dotenv from 'dotenv';\ndotenv.config();", 2),
        Case("tests/global-setup.ts", "import { config } from 'dotenv';\nconfig({ path: '.env' });", 2),
        Case("jest.setup.js", "require('dotenv').config();\nconst dotenv = require('dotenv');\ndotenv.config({ path: './.env.production' });", 3),
        Case("tests/conftest.py", "from dotenv import load_dotenv\nload_dotenv()", 2),
        Case("tests/conftest.py", "from dotenv import load_dotenv\nload_dotenv('.env.prod')", 2),
        Case("tests/db.test.ts", "const url = process.env.TEST_DATABASE_URL || process.env.DATABASE_URL;"),
        Case("tests/db.test.ts", "const url = process.env['TEST_DATABASE_URL'] ?? process.env['DATABASE_URL'] ?? '';"),
        Case("tests/conftest.py", 'url = os.environ.get("TEST_DATABASE_URL", os.environ["DATABASE_URL"])'),
        Case("tests/conftest.py", 'url = os.getenv("TEST_DATABASE_URL") or os.getenv("DATABASE_URL")'),
        Case("vitest.setup.ts", "process.loadEnvFile();"),
    ],
    "production-credentials": [
        Case("src/db.ts", "const url = 'postgresql://inventory_admin:geheim123@localhost:4546/inventory';"),
        Case(".env", "DATABASE_URL=postgresql://inventory_app:geheim123@127.0.0.1:4546/inventory"),
        Case("scripts/fix.sh", "psql postgresql://inventory_admin:geheim123@db.example.com/inventory -c 'select 1'"),
        Case("app/settings.py", 'URL = "postgresql://inventory_admin:geheim123@" + "db.example.com:5432/inventory"'),
        Case("config/prod.yaml", "db: postgres://inventory_admin:geheim123@localhost:4546/inventory"),
        Case("config.json", '{"url": "postgres://inventory_admin:geheim123@localhost:4546/inventory"}'),
        Case(".env.local", "PGHOST=localhost\nPGPORT=4546\nPGPASSWORD=geheim123", 3),
    ],
    "compose-shared": [
        Case(
            "docker-compose.yml",
            "services:\n  prod:\n    container_name: inventory-db-prod\n    volumes: [data:/var/lib/postgresql/data]\n"
            "    networks: [a]\n  test:\n    container_name: inventory-db-test\n"
            "    volumes: [data:/var/lib/postgresql/data]\n    networks: [b]\n",
            8,
        ),
        Case(
            "compose.yaml",
            "services:\n  db:\n    container_name: inventory-db-prod\n    volumes: [p:/d]\n    networks: [net]\n"
            "  db-test:\n    container_name: inventory-db-test\n    volumes: [t:/d]\n    networks:\n      - net\n",
            10,
        ),
        Case(
            "docker-compose.yml",
            "services:\n  db:\n    ports: ['127.0.0.1:4546:5432']\n    volumes: [p:/d]\n"
            "  db-test:\n    ports: ['127.0.0.1:2346:5432']\n    volumes: [t:/d]\n",
            6,
        ),
        Case(
            "compose.yml",
            "services:\n  db:\n    container_name: inventory-db-prod\n    volumes: [p:/d]\n    networks: [a]\n"
            "  t:\n    container_name: inventory-db-test\n    volumes:\n      - type: volume\n        source: q\n"
            "        target: /d\n    networks: [b]\nvolumes:\n  p:\n    name: same\n  q:\n    name: same\n",
            10,
        ),
    ],
    "destructive-script": [
        Case("package.json", '{\n "scripts": {\n  "reset": "prisma migrate reset --force"\n }\n}', 3),
        Case("package.json", '{"scripts": {"push": "npx drizzle-kit push --force"}}'),
        Case("scripts/reset.sh", "#!/bin/sh\nset -e\npython -m alembic downgrade base && alembic upgrade head\n", 3),
        Case("scripts/reset.sh", "psql -c 'DROP SCHEMA public CASCADE'"),
        Case("scripts/reset.sh", "psql -p 4546 inventory -c 'TRUNCATE \"SKU\"'"),
        Case("scripts/reset.sh", "docker compose down -v"),
        Case("Makefile", "reset:\n\tdocker-compose down --volumes\n", 2),
        Case("scripts/x.sh", "docker volume rm inventory_data_prod"),
        Case(".github/workflows/ci.yml", "jobs:\n  t:\n    steps:\n      - run: bundle exec rails db:reset\n", 4),
        Case("CLAUDE.md", "# Work\n```bash\nsupabase db reset\n```\n", 3),
        Case("scripts/x.sh", "dropdb inventory"),
        Case("scripts/x.sh", "DATABASE_URL=\"$DATABASE_URL\" npx prisma db push --force-reset"),
        Case("scripts/x.sh", "python manage.py flush --no-input"),
        Case("scripts/x.sh", 'SQL="DELETE FROM \\"SKU\\""\npsql -c "$SQL"', 2),
    ],
    "destructive-setup": [
        Case("tests/conftest.py", 'engine = create_engine(os.environ["DATABASE_URL"])\nBase.metadata.drop_all(engine)', 2),
        Case("tests/conftest.py", "engine = create_engine(settings.DATABASE_URL)\nBase.metadata.drop_all(bind=engine)", 2),
        Case("tests/setup.ts", "const c = new Client(process.env.DATABASE_URL);\nawait c.query('TRUNCATE \"SKU\"');", 2),
        Case("tests/db.test.ts", "const d = open(process.env.DATABASE_URL);\nawait d.dropDatabase();", 2),
    ],
}  # fmt: skip

MUST_NOT: dict[str, list[Case]] = {
    "absolute-url": [
        Case("e2e/a.spec.ts", "await page.goto('/skus');"),
        Case("e2e/a.spec.ts", "// await page.goto('http://localhost:4545/skus');\nawait page.goto('/');"),
        Case("e2e/a.spec.ts", "/* see http://localhost:4545 */ await page.goto('./x');"),
        Case("e2e/a.spec.ts", "await expect(link).toHaveAttribute('href', 'https://github.com/acme/shop');"),
        Case("e2e/a.spec.ts", "await page.route('https://api.stripe.com/**', r => r.abort());"),
        Case("e2e/a.spec.ts", "await page.goto(`/skus/${id}?next=/x`);"),
        Case("src/app.ts", "fetch('http://localhost:4545/api');"),
        Case("e2e/a.spec.ts", "expect(title).toBe('12345 of 45460');"),
        Case("tests/unit.test.ts", "expect(parse('http://localhost:4545/x').port).toBe(x);"),
        Case("tests/e2e/test_shop.py", '"""Opens http://localhost:4545 by hand."""\npage.goto("/skus")'),
        Case("tests/e2e/test_shop.py", 'page.goto("/skus")  # not http://localhost:4545'),
        Case("e2e/a.spec.ts", "await page.goto(process.env.TEST_BASE_URL + '/x');"),
        Case("cypress/e2e/a.cy.js", "cy.visit('/');"),
    ],
    "production-address": [
        Case("tests/db.test.ts", "const client = new Client({ port: 2346, database: 'inventory_test' });"),
        Case("tests/db.test.ts", "const id = 4546; const total = { amount: 4545 };"),
        Case("tests/db.test.ts", "expect(sku.code).toBe('45460-4546-12345');"),
        Case("tests/db.test.ts", "// production is localhost:4546\nconst url = process.env.TEST_DATABASE_URL;"),
        Case("tests/db.test.ts", "import { inventory } from '../inventory';"),
        Case("tests/db.test.ts", "expect(page.title).toBe('inventory');"),
        Case("tests/db.test.ts", "const url = 'postgresql://u@127.0.0.1:2346/inventory_test';"),
        Case("tests/db.test.ts", "const url = 'https://example.com:4546/x';"),
        Case("src/db.ts", "const client = new Client({ port: 4546 });"),
        Case("tests/test_db.py", "def test_port():\n    assert order.number == 4546"),
        Case("tests/test_db.py", '"""Never connects to localhost:4546."""'),
        Case("tests/test_db.py", 'database = "inventory_test"'),
        Case("tests/run.sh", 'psql -p 2346 -d inventory_test -c "select 4546"'),
        Case("tests/fixtures/rows.json", '[{"id": 4546, "name": "inventory", "price": 45.46}]'),
        Case("tests/db.test.ts", "const s = 'postgresql://u@127.0.0.1:2346/inventory';"),
    ],
    "playwright-base-url": [
        Case("playwright.config.ts", "export default { use: { baseURL: process.env.TEST_BASE_URL } };"),
        Case("playwright.config.ts", "export default { use: { baseURL: process.env.TEST_BASE_URL ?? 'http://localhost:2345' } };"),
        Case("playwright.config.ts", "export default { use: { baseURL: process.env['TEST_BASE_URL'] } };"),
        Case("playwright.config.ts", "const baseURL = process.env.TEST_BASE_URL!;\nexport default { use: { baseURL } };"),
        Case("playwright.config.ts", "if (!process.env.TEST_BASE_URL) throw new Error('TEST_BASE_URL');\nexport default { use: { baseURL: process.env.TEST_BASE_URL, viewport: { width: 4545 } } };"),
        Case("src/playwright.ts", "export const baseURL = 'http://localhost:4545';"),
        Case("vite.config.ts", "export default { server: { port: 4545 } };"),
        Case("cypress.config.ts", "export default { e2e: { baseUrl: process.env.TEST_BASE_URL } };"),
    ],
    "dotenv-fallback": [
        Case("playwright.config.ts", "import dotenv from 'dotenv';\ndotenv.config({ path: '.env.test' });"),
        Case("tests/conftest.py", "from dotenv import load_dotenv\nload_dotenv('.env.test')"),
        Case("tests/conftest.py", "from dotenv import load_dotenv\nload_dotenv(dotenv_path=here / '.env.test')"),
        Case("src/server.ts", "import dotenv from 'dotenv';\ndotenv.config();"),
        Case("src/db.ts", "const url = process.env.TEST_DATABASE_URL || process.env.DATABASE_URL;"),
        Case("tests/db.test.ts", "const url = process.env.TEST_DATABASE_URL || 'postgresql://127.0.0.1:2346/inventory_test';"),
        Case("tests/db.test.ts", "const level = process.env.TEST_LOG_LEVEL || process.env.LOG_LEVEL;"),
        Case("tests/conftest.py", 'url = os.environ["TEST_DATABASE_URL"]'),
        Case("tests/a.test.ts", "const store = config({ path: '.env' });"),
        Case("tests/a.test.ts", "// dotenv.config()\nconst x = 1;"),
    ],
    "production-credentials": [
        Case("src/db.ts", "const url = 'postgresql://inventory_test:geheim123@localhost:2346/inventory_test';"),
        Case("src/db.ts", "const url = `postgresql://inventory_app:${process.env.PW}@localhost:4546/inventory`;"),
        Case(".env.example", "DATABASE_URL=postgresql://inventory_app:changeme@127.0.0.1:4546/inventory"),
        Case("src/db.ts", "const url = 'postgresql://inventory_app@localhost:4546/inventory';"),
        Case("src/db.ts", "const url = 'https://user:geheim123@example.com/x';"),
        Case(".env", "PGHOST=localhost\nPGPORT=2346\nPGPASSWORD=geheim123"),
        Case("src/db.ts", "// postgresql://inventory_admin:geheim123@localhost:4546/inventory\nconst x = 1;"),
        Case("config.json", '{"url": "postgres://inventory_test:x1y2z3@localhost:2346/inventory_test"}'),
    ],
    "compose-shared": [
        Case(
            "docker-compose.yml",
            "services:\n  prod:\n    container_name: inventory-db-prod\n    volumes: [p:/d]\n    networks: [a]\n"
            "  test:\n    container_name: inventory-db-test\n    volumes: [t:/d]\n    networks: [b]\n",
        ),
        Case("docker-compose.yml", "services:\n  prod:\n    container_name: inventory-db-prod\n  cache:\n    image: redis\n"),
        Case("docker-compose.yml", "services:\n  db:\n    image: postgres\n    volumes: [data:/d]\n  web:\n    volumes: [data:/d]\n"),
        Case(
            "config.yml",
            "services:\n  prod:\n    container_name: inventory-db-prod\n    volumes: [d:/d]\n"
            "  test:\n    container_name: inventory-db-test\n    volumes: [d:/d]\n",
        ),
        Case("compose.yml", "services: {}\n"),
    ],
    "destructive-script": [
        Case("package.json", '{"scripts": {"reset": "DATABASE_URL=$TEST_DATABASE_URL prisma migrate reset --force"}}'),
        Case("package.json", '{"scripts": {"migrate": "prisma migrate deploy", "gen": "prisma generate"}}'),
        Case("scripts/reset.sh", "psql -h 127.0.0.1 -p 2346 -d inventory_test -c 'DROP SCHEMA public CASCADE'"),
        Case("scripts/reset.sh", 'psql "$TEST_DATABASE_URL" -c "TRUNCATE \\"SKU\\""'),
        Case("scripts/reset.sh", "# prisma migrate reset\necho 'prisma migrate reset'"),
        Case("scripts/x.sh", "docker compose down"),
        Case("scripts/x.sh", "docker compose -p inventory-db-test down -v"),
        Case("scripts/x.sh", "docker volume rm inventory_data_test"),
        Case("scripts/x.sh", "dropdb -p 2346 inventory_test"),
        Case("scripts/x.sh", "psql -c 'DELETE FROM \"SKU\" WHERE id = 7'"),
        Case("scripts/x.sh", "alembic upgrade head"),
        Case("CLAUDE.md", "Never run `prisma migrate reset` or supabase db reset.\n"),
        Case("README.md", "```bash\nprisma migrate reset\n```\n"),
        Case("scripts/x.sh", "rm -rf build && npm run build"),
        Case("Makefile", "reset:\n\tDATABASE_URL=$(TEST_DATABASE_URL) npx prisma migrate reset --force\n"),
    ],
    "destructive-setup": [
        Case("tests/conftest.py", 'engine = create_engine(os.environ["TEST_DATABASE_URL"])\nBase.metadata.drop_all(engine)'),
        Case("tests/conftest.py", 'engine = create_engine(os.environ["DATABASE_URL"])\nBase.metadata.create_all(engine)'),
        Case("app/models.py", 'engine = create_engine(os.environ["DATABASE_URL"])\nBase.metadata.drop_all(engine)'),
        Case("tests/db.test.ts", "const c = new Client(process.env.TEST_DATABASE_URL);\nawait c.query('TRUNCATE x');"),
        Case("tests/db.test.ts", "const c = new Client(process.env.DATABASE_URL);\nawait c.query('SELECT 1');"),
    ],
}  # fmt: skip

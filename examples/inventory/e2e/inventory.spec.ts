import { expect, test, type Locator, type Page } from '@playwright/test';

const card = (page: Page, name: string): Locator => page.getByRole('article', { name, exact: true });

const stock = async (page: Page, name: string): Promise<number> => {
  const text = await card(page, name).locator('.stock b').innerText();
  return Number(text.replace(/,/g, ''));
};

test('the overview counts what is there and says where it is', async ({ page }) => {
  await page.goto('/');
  await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible();
  await expect(page.locator('.place')).toHaveText(/_test/);
  await expect(page.locator('.figures')).toContainText('components');
  await page.getByRole('link', { name: 'Products', exact: true }).click();
  await expect(page).toHaveURL(/\/skus$/);
});

test('goods that come in are on hand and on record', async ({ page }) => {
  await page.goto('/components');
  const before = await stock(page, 'LED, white, 3 W');
  const led = card(page, 'LED, white, 3 W');
  await led.getByLabel('Receive').fill('40');
  await led.getByLabel('Note').first().fill('order 4711');
  await led.getByRole('button', { name: 'Receive' }).click();
  await expect(page.getByRole('status')).toHaveText('40 pcs of LED, white, 3 W received.');
  expect(await stock(page, 'LED, white, 3 W')).toBe(before + 40);
  await page.goto('/transactions');
  await expect(page.getByRole('row').nth(1)).toContainText('order 4711');
});

test('building takes the parts and makes the product', async ({ page }) => {
  await page.goto('/components');
  const housings = await stock(page, 'Housing, back');
  await page.goto('/skus');
  const built = await stock(page, 'Back light 20 lux');
  const product = card(page, 'Back light 20 lux');
  await product.getByLabel('Build').fill('3');
  await product.getByRole('button', { name: 'Build' }).click();
  await expect(page.getByRole('status')).toHaveText('3 of Back light 20 lux built.');
  expect(await stock(page, 'Back light 20 lux')).toBe(built + 3);
  await page.goto('/components');
  expect(await stock(page, 'Housing, back')).toBe(housings - 3);
});

test('what cannot be built is refused and changes nothing', async ({ page }) => {
  await page.goto('/skus');
  const before = await stock(page, 'Front light 100 lux');
  const product = card(page, 'Front light 100 lux');
  await product.getByLabel('Build').fill('5000');
  await product.getByRole('button', { name: 'Build' }).click();
  await expect(page.getByRole('alert')).toContainText('Not enough');
  expect(await stock(page, 'Front light 100 lux')).toBe(before);
});

test('a count that differs is put right, with a reason', async ({ page }) => {
  await page.goto('/components');
  const cable = card(page, 'Cable, two wires');
  await cable.getByText('Count or archive').click();
  await cable.getByLabel('Counted').fill('99.5');
  await cable.getByLabel('Why').fill('counted by hand');
  await cable.getByRole('button', { name: 'Adjust' }).click();
  await expect(page.getByRole('status')).toHaveText('Cable, two wires is now 99.5 m.');
  await page.goto('/transactions');
  await expect(page.getByRole('row').nth(1)).toContainText('counted by hand');
});

test('a component that nobody needs is archived, and its history stays', async ({ page }) => {
  const code = `TMP-${Date.now()}`;
  await page.goto('/components');
  const form = page.getByRole('region', { name: 'Add a component' });
  await form.getByLabel('Code').fill(code);
  await form.getByLabel('Name').fill(`Thing ${code}`);
  await form.getByRole('button', { name: 'Add' }).click();
  await expect(page.getByRole('status')).toHaveText(`Thing ${code} was added.`);
  const thing = card(page, `Thing ${code}`);
  await thing.getByLabel('Receive').fill('7');
  await thing.getByRole('button', { name: 'Receive' }).click();
  await thing.getByText('Count or archive').click();
  await thing.getByRole('button', { name: 'Archive' }).click();
  await expect(page.getByRole('status')).toHaveText(`Thing ${code} was archived.`);
  await expect(thing).toHaveCount(0);
  await page.goto('/transactions');
  await expect(page.getByRole('row').nth(1)).toContainText(`Thing ${code}`);
});

test('a component that a product is made of stays', async ({ page }) => {
  await page.goto('/components');
  const led = card(page, 'LED, red, 1 W');
  await led.getByText('Count or archive').click();
  await led.getByRole('button', { name: 'Archive' }).click();
  await expect(page.getByRole('alert')).toContainText('is made of it');
});

test('names are text, whatever they hold', async ({ page }) => {
  const name = `<b>x</b> "&' ${Date.now()}`;
  await page.goto('/components');
  const form = page.getByRole('region', { name: 'Add a component' });
  await form.getByLabel('Code').fill(`H-${Date.now()}`);
  await form.getByLabel('Name').fill(name);
  await form.getByRole('button', { name: 'Add' }).click();
  await expect(page.getByRole('status')).toHaveText(`${name} was added.`);
});

import { defineConfig } from '@playwright/test';

// Where the application runs is said by one variable; the default is the test environment.
const baseURL = process.env.TEST_BASE_URL ?? 'http://127.0.0.1:2345';

export default defineConfig({
  testDir: './e2e',
  workers: 1,
  retries: 0,
  timeout: 20_000,
  reporter: [['list']],
  outputDir: process.env.TEST_OUTPUT_DIR ?? './test-results',
  use: {
    baseURL,
    // The system's Chromium where there is one, instead of a download.
    launchOptions: {
      executablePath: process.env.CHROMIUM_PATH || undefined,
      args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    },
  },
});

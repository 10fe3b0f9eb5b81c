"""What the page's browser tests stand on; the tests themselves are in `web/e2e`."""

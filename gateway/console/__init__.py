"""The console: pages for people with a browser, about what the gateway did, to whom, and why."""

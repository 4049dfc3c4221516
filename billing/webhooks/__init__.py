"""Events of payment providers: `endpoint` verifies and stores, `inbox` keeps, `worker` applies."""

"""Payment providers: a folder each, all behind `billing.ports.Provider`."""

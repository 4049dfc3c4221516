"""Payment providers: one file each, all behind `billing.ports.Provider`."""

"""Payment providers: a folder each, all behind `billing.ports.Provider`.

stripe   the one that there is
"""

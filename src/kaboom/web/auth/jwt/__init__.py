"""JSON Web Tokens of Kaboom and of Supabase; each has its own verifier."""

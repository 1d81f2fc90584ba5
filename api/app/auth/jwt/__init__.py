"""JSON web tokens: Kaboom's own and Supabase's, each kind of key with a verifier of its own."""

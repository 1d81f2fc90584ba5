"""AI analyses of stored bars and of jobs: facts, prompts, opinions, and the checks on them; no network."""

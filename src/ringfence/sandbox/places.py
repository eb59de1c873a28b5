"""Which places of a machine agents need, and which hold credentials. Lists only.

Names in the lists of homes are below every home directory. What is not listed is not there for an agent.
"""

from __future__ import annotations

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/sys", "/nix", "/snap", "/gnu")
SYSTEM_PARTS = ("/var/cache/fontconfig", "/var/lib/ca-certificates", "/opt/google", "/opt/hostedtoolcache")
SCRATCH = ("/tmp", "/var/tmp", "/run")
CLOSED = (
    *("/etc/ssl/private", "/etc/ssh", "/etc/kubernetes", "/etc/rancher", "/etc/docker", "/etc/postgresql"),
    *("/etc/postgresql-common", "/etc/pgbouncer", "/etc/sudoers.d", "/etc/letsencrypt", "/etc/krb5.keytab"),
    *("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers", "/etc/sysconfig/pgsql"),
)

HOME_READ = (
    *(".nvm", ".volta", ".bun/bin", ".deno/bin", ".fnm", ".pyenv", ".rbenv", ".asdf", ".sdkman", ".rustup"),
    *(
        ".cargo/bin",
        "go/bin",
        ".local/bin",
        ".local/lib",
        ".local/share/claude",
        ".local/share/uv",
        ".local/share/mise",
    ),
    *(".local/share/pnpm", ".local/share/fnm", ".local/share/cursor-agent", ".cache/ms-playwright", ".fonts"),
    # Agents' settings are read and never written: a hook in them would run outside, later.
    *(".claude/settings.json", ".claude/CLAUDE.md", ".claude/agents", ".claude/commands", ".claude/skills"),
    *(".claude/plugins", ".claude/hooks", ".codex/config.toml", ".codex/hooks.json", ".codex/AGENTS.md"),
    *(".codex/prompts", ".codex/skills", ".gemini/settings.json", ".gemini/GEMINI.md", ".cursor/mcp.json"),
    *(".cursor/hooks.json", ".cursor/cli-config.json", ".copilot/config.json"),
)
# Only what agents sign in with: sessions, shell snapshots and the like are read back by agents outside, later.
HOME_WRITE = (
    *(".claude/.credentials.json", ".codex/auth.json", ".gemini/oauth_creds.json", ".gemini/google_accounts.json"),
    *(".config/cursor/auth.json",),
)
# Written at every start, and holds commands that the agent starts outside, too: an agent gets a copy.
HOME_COPY = (".claude.json",)
CREDENTIALS = (
    *(
        ".ssh",
        ".gnupg",
        ".aws",
        ".azure",
        ".kube",
        ".docker",
        ".netrc",
        ".git-credentials",
        ".pgpass",
        ".pg_service.conf",
    ),
    *(".config/gcloud", ".config/gh", ".config/hub", ".config/git/credentials", ".config/doctl", ".config/heroku"),
    *(
        ".config/op",
        ".config/rclone",
        ".config/containers",
        ".config/helm",
        ".config/ringfence",
        ".local/state/ringfence",
    ),
    *(".local/share/ringfence", ".local/share/keyrings", ".npmrc", ".pypirc", ".yarnrc.yml", ".cargo/credentials.toml"),
    *(
        ".terraform.d",
        ".terraformrc",
        ".fly",
        ".railway",
        ".vercel",
        ".config/configstore",
        ".supabase",
        ".vault-token",
    ),
    *(".mysql_history", ".psql_history", ".bash_history", ".zsh_history", ".local/share/fish", ".node_repl_history"),
)
WORKTREE_PROTECTED = (
    *("ringfence.toml", ".claude/settings.json", ".claude/settings.local.json", ".claude/hooks", ".claude/agents"),
    *(".codex/hooks.json", ".codex/config.toml", ".cursor/hooks.json", ".cursor/mcp.json", ".gemini/settings.json"),
    *(".github/hooks", ".mcp.json"),
)
GIT_PROTECTED = ("config", "config.worktree", "hooks", "info/attributes", "modules")

MODEL_HOSTS = (
    *("api.anthropic.com", "console.anthropic.com", "platform.claude.com", "claude.ai", "statsig.anthropic.com"),
    *("api.openai.com", "auth.openai.com", "chatgpt.com"),
    *("generativelanguage.googleapis.com", "cloudcode-pa.googleapis.com", "oauth2.googleapis.com"),
    *("api.githubcopilot.com", "api.individual.githubcopilot.com", "api.business.githubcopilot.com"),
    *("api2.cursor.sh", "api3.cursor.sh", "openrouter.ai", "api.mistral.ai", "api.deepseek.com"),
)
"""Where agents reach their models. None of them takes a push or knows a database."""

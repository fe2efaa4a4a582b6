"""Every attribute, once: its name and what it means."""

from __future__ import annotations

ACCOUNT = "bytespike.account.name"
MODEL = "gen_ai.request.model"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - a token of text
KEY_ID = "bytespike.key.id"
KEY_NAME = "bytespike.key.name"
KEY_LISTED = "bytespike.key.listed"
WINDOW = "bytespike.window"
KIND = "bytespike.transaction.kind"
DIRECTION = "bytespike.transaction.direction"
ENDPOINT = "bytespike.endpoint"
OUTCOME = "bytespike.outcome"
GATEWAY = "bytespike.gateway.address"
USER_ID = "bytespike.user.id"
TIER = "bytespike.user.tier"
ORGANIZATION_ID = "bytespike.organization.id"
ORGANIZATION_NAME = "bytespike.organization.name"
ORGANIZATION_ROLE = "bytespike.organization.role"
SOURCE = "bytespike.source"
STATUS_CLASS = "bytespike.status.class"
STATUS_CODE = "http.response.status_code"
RESPONSE_MODEL = "gen_ai.response.model"
VERSION = "version"
PYTHON = "python"

ATTRIBUTES = {
    ACCOUNT: "The account's name in the configuration.",
    KEY_ID: "The key in the gateway's masked form. Several keys can share one.",
    KEY_NAME: "The key's name when it was first seen, or its id until a name is told. A rename "
    "does not change it.",
    KEY_LISTED: "`true` or `false`: whether the account's list of keys has it. Left out while no "
    "list is known.",
    WINDOW: "`5h`, `1d`, `7d`, or `lifetime`.",
    MODEL: "The model that was asked for.",
    TOKEN_TYPE: "Tokens of the prompt, of the answer, read from a cache, or written into one.",
    KIND: "Of a wallet movement: `topup`, `refund`, `admin_credit`, … as the gateway names it.",
    DIRECTION: "Into the wallet or out of it.",
    ENDPOINT: "What was polled.",
    OUTCOME: "How it ended.",
    GATEWAY: "The gateway's address, as `base_url` gives it.",
    USER_ID: "The user's id at the gateway; accounts of one user at one gateway are one wallet.",
    TIER: "`individual` (own wallet) or `enterprise` (billed to the organization).",
    ORGANIZATION_ID: "The organization's id at the gateway.",
    ORGANIZATION_NAME: "The organization's name.",
    ORGANIZATION_ROLE: "The user's role there: `owner`, `admin` or `member`.",
    SOURCE: "Who told: `hook` (in an application), `log` (of nginx), `proxy` (another one).",
    STATUS_CLASS: "`2xx`, `4xx`, …",
    STATUS_CODE: "The response's status.",
    RESPONSE_MODEL: "The model that the response names.",
    VERSION: "The exporter's version.",
    PYTHON: "The version of the Python that runs it.",
}
"""What every attribute means. An attribute that is unknown is left out, never empty."""

TOKEN_TYPES = ("input", "output", "cache_read", "cache_creation")
DIRECTIONS = ("credit", "debit")

"""Values by their content."""

import functools
import json
import operator

from protos import state_pb, state_services
from state import STORES, fields, found

COMPARISONS = {"GT": operator.gt, "GTE": operator.ge, "LT": operator.lt, "LTE": operator.le}
DESCENDING = state_pb.Sorting.DESC
NOTHING = object()


def parse(value):
    try:
        return json.loads(value)
    except ValueError:
        return NOTHING


def at(document, path):
    """The value at a path such as `person.name`."""
    step = lambda inner, name: inner.get(name, NOTHING) if isinstance(inner, dict) else NOTHING
    return functools.reduce(step, path.split("."), document)


def meets(document, name, operand) -> bool:
    """Whether a document meets a condition such as ("EQ", {"person.name": "Ann"})."""
    if name in ("AND", "OR"):
        inner = (meets(document, *condition) for part in operand for condition in part.items())
        return all(inner) if name == "AND" else any(inner)
    ((path, wanted),) = operand.items()
    value = at(document, path)
    if value is NOTHING:
        return False
    if name == "IN":
        return value in wanted
    if name in ("EQ", "NEQ"):
        return (value == wanted) == (name == "EQ")
    return isinstance(value, (int, float)) == isinstance(wanted, (int, float)) and COMPARISONS[name](value, wanted)


def order(value):
    """Numbers before texts before the rest."""
    if isinstance(value, (int, float)):
        return 0, value
    return (1, value) if isinstance(value, str) else (2, str(value))


class QueriableStateStore(state_services.QueriableStateStoreServicer):
    async def Query(self, request, context):
        store = STORES.of(context)
        conditions = {name: json.loads(operand.value) for name, operand in request.query.filter.items()}
        matches = []
        for key in sorted(store):
            entry = found(store, key)
            document = parse(entry[0]) if entry else NOTHING
            if entry and all(meets(document, *condition) for condition in conditions.items()):
                matches.append((key, entry, document))
        # The last sorting first: Python keeps the order of equals.
        for sorting in reversed(request.query.sort):
            matches.sort(key=lambda match: order(at(match[2], sorting.key)), reverse=sorting.order == DESCENDING)
        start = int(request.query.pagination.token or 0)
        end = start + (request.query.pagination.limit or len(matches))
        items = [
            state_pb.QueryItem(key=key, data=entry[0], etag=fields(entry)["etag"])
            for key, entry, _ in matches[start:end]
        ]
        return state_pb.QueryResponse(items=items, token=str(end) if end < len(matches) else "")

# ruff: noqa: ANN401 -- drgn's finders are handed its own flags and programs
"""The dump's own BTF as types for drgn: every structure of the kernel, without debug symbols.

Documentation/bpf/btf.rst. Types are built on demand. BTF knows per-CPU variables but no other
globals (until 7.x), so those that we read are declared here.
"""

import struct
from array import array
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from drgn import Object, Program, Type

(
    _INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM, _FWD, _TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _FUNC,
    _PROTO, _VAR, _SECTION, _FLOAT, _DECL_TAG, _TYPE_TAG, _ENUM64,
) = range(1, 20)  # fmt: skip
_MAGIC: Final = 0xEB9F
_BEHIND: Final = {
    _INT: (4, 0), _ARRAY: (12, 0), _STRUCT: (0, 12), _UNION: (0, 12), _ENUM: (0, 8), _PROTO: (0, 8),
    _VAR: (4, 0), _SECTION: (0, 12), _DECL_TAG: (4, 0), _ENUM64: (0, 12),
}  # fmt: skip
_CLASSES: Final = {
    _INT: "b", _FLOAT: "b", _STRUCT: "s", _UNION: "u", _ENUM: "e", _ENUM64: "e", _TYPEDEF: "t",
}  # fmt: skip
_SPELLED: Final = {
    "long": "long int", "unsigned long": "long unsigned int", "short": "short int",
    "unsigned short": "short unsigned int", "long long": "long long int",
    "unsigned long long": "long long unsigned int", "bool": "_Bool", "unsigned": "unsigned int",
}  # fmt: skip
DECLARED: Final = {
    "init_task": "struct task_struct", "init_pid_ns": "struct pid_namespace", "modules": "struct list_head",
    "init_uts_ns": "struct uts_namespace", "prb": "struct printk_ringbuffer *",
    "printk_rb_static": "struct printk_ringbuffer", "runqueues": "struct rq",
    "__per_cpu_offset": "unsigned long [8192]", "nr_cpu_ids": "unsigned int", "panic_cpu": "atomic_t",
    "crashing_cpu": "int", "tainted_mask": "unsigned long", "jiffies_64": "u64", "clear_seq": "struct latched_seq",
    "mod_tree": "struct mod_tree_root", "module_kset": "struct kset *", "vmap_area_list": "struct list_head",
    "vmap_area_root": "struct rb_root",
    "vmap_nodes": "struct vmap_node *",
    "nr_vmap_nodes": "int", "ftrace_ops_list": "struct ftrace_ops *",
    "ftrace_pages_start": "struct ftrace_page *", "kprobe_table": "struct hlist_head [64]",
    "prog_idr": "struct idr", "init_net": "struct net", "saved_command_line": "char *",
    "__cpu_online_mask": "struct cpumask", "__cpu_possible_mask": "struct cpumask",
    "__cpu_present_mask": "struct cpumask", "page_offset_base": "unsigned long",
    "vmalloc_base": "unsigned long", "vmemmap_base": "unsigned long",
    "security_hook_heads": "struct security_hook_heads",
    "static_calls_table": "struct lsm_static_calls_table",
}  # fmt: skip


class Btf:
    """Type information, indexed by name."""

    def __init__(self, program: "Program", raw: bytes) -> None:
        self._program = program
        self._raw = raw
        magic, _, _, head, types, size, strings, _ = struct.unpack_from("<HBBIIIII", raw)
        if magic != _MAGIC:
            raise ValueError("no BTF at its symbol")
        self._strings = head + strings
        self._made: dict[tuple[int, Any], Type] = {}
        self._constants: dict[str, int] | None = None
        self._sections: list[int] = []
        self._places = array("I", [0])
        self._named = self._index(head + types, head + types + size)
        self.per_cpu: dict[str, int] = self._per_cpu()

    def _index(self, at: int, end: int) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, int], int] = {}
        fields = struct.Struct("<II").unpack_from
        while at < end:
            name, info = fields(self._raw, at)
            kind = info >> 24 & 0x1F
            number = len(self._places)
            self._places.append(at)
            if name and (of := _CLASSES.get(kind)):
                found.setdefault((of, name), number)
            if kind == _SECTION:
                self._sections.append(number)
            fixed, each = _BEHIND.get(kind, (0, 0))
            at += 12 + fixed + each * (info & 0xFFFF)
        named: dict[tuple[str, str], int] = {}
        for (of, name), number in found.items():
            named.setdefault((of, self._text(name)), number)
        return named

    def _text(self, offset: int) -> str:
        start = self._strings + offset
        return self._raw[start : self._raw.index(b"\0", start)].decode("ascii", "replace")

    def _row(self, number: int) -> tuple[int, str | None, int, int, int, int]:
        """(where its members begin, name, kind, members, flag, size or type)."""
        at = self._places[number]
        name, info, size = struct.unpack_from("<III", self._raw, at)
        return at + 12, self._text(name) if name else None, info >> 24 & 0x1F, info & 0xFFFF, info >> 31, size  # fmt: skip

    def _per_cpu(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for section in self._sections:
            at, name, _, count, _, _ = self._row(section)
            if name != ".data..percpu":
                continue
            for number in range(count):
                (variable,) = struct.unpack_from("<I", self._raw, at + 12 * number)
                _, text, _, _, _, of = self._row(variable)
                if text:
                    found[text] = of
        return found

    def type(self, number: int, qualifiers: Any = None) -> "Type":
        """The type with this id."""
        from drgn import Qualifiers  # noqa: PLC0415

        qualifiers = Qualifiers.NONE if qualifiers is None else qualifiers
        key = (number, qualifiers)
        if key not in self._made:
            self._made[key] = self._make(number, qualifiers)
        return self._made[key]

    def _make(self, number: int, q: Any) -> "Type":
        if number == 0:
            return self._program.void_type(qualifiers=q)
        row = self._row(number)
        makers: dict[int, Callable[[Any, Any], Type]] = {
            _INT: self._int, _FLOAT: self._float, _PTR: self._pointer, _ARRAY: self._array,
            _STRUCT: self._compound, _UNION: self._compound, _FWD: self._forward, _ENUM: self._enum,
            _ENUM64: self._enum, _TYPEDEF: self._typedef, _PROTO: self._prototype,
        }  # fmt: skip
        kind, of = row[2], row[5]
        if kind in makers:
            return makers[kind](row, q)
        if kind in (_CONST, _VOLATILE, _RESTRICT, _TYPE_TAG):
            from drgn import Qualifiers  # noqa: PLC0415

            more = {_CONST: Qualifiers.CONST, _VOLATILE: Qualifiers.VOLATILE, _RESTRICT: Qualifiers.RESTRICT}  # fmt: skip
            return self.type(of, q | more.get(kind, Qualifiers.NONE))
        raise LookupError(f"BTF kind {kind}")

    def _int(self, row: Any, q: Any) -> "Type":
        at, name, _, _, _, size = row
        encoding = struct.unpack_from("<I", self._raw, at)[0] >> 24 & 15
        if encoding & 4:
            return self._program.bool_type(name, size, qualifiers=q)
        return self._program.int_type(name, size, bool(encoding & 1), qualifiers=q)

    def _float(self, row: Any, q: Any) -> "Type":
        return self._program.float_type(row[1], row[5], qualifiers=q)

    def _pointer(self, row: Any, q: Any) -> "Type":
        return self._program.pointer_type(self.type(row[5]), qualifiers=q)

    def _array(self, row: Any, q: Any) -> "Type":
        element, _, count = struct.unpack_from("<III", self._raw, row[0])
        return self._program.array_type(self.type(element), count or None, qualifiers=q)

    def _typedef(self, row: Any, q: Any) -> "Type":
        return self._program.typedef_type(row[1], self.type(row[5]), qualifiers=q)

    def _forward(self, row: Any, q: Any) -> "Type":
        make = self._program.union_type if row[4] else self._program.struct_type
        return make(row[1], qualifiers=q)

    def _compound(self, row: Any, q: Any) -> "Type":
        from drgn import TypeMember  # noqa: PLC0415

        at, name, kind, count, flag, size = row
        members = []
        for number in range(count):
            text, of, offset = struct.unpack_from("<III", self._raw, at + 12 * number)
            bits = offset >> 24 if flag else 0
            place = offset & 0xFFFFFF if flag else offset
            members.append(
                TypeMember(self._later(of, bits), self._text(text) if text else None, place)
            )
        make = self._program.struct_type if kind == _STRUCT else self._program.union_type
        return make(name, size, tuple(members), qualifiers=q)

    # Structures refer to each other in cycles: a member's type is built on demand.
    def _later(self, of: int, bits: int) -> "Callable[[], Type | Object]":
        from drgn import Object  # noqa: PLC0415

        if bits:
            return lambda: Object(self._program, self.type(of), bit_field_size=bits)
        return lambda: self.type(of)

    def _enum(self, row: Any, q: Any) -> "Type":
        from drgn import TypeEnumerator  # noqa: PLC0415

        at, name, kind, count, signed, size = row
        values = []
        for number in range(count):
            if kind == _ENUM:
                text, value = struct.unpack_from(
                    "<Ii" if signed else "<II", self._raw, at + 8 * number
                )
            else:
                text, low, high = struct.unpack_from("<III", self._raw, at + 12 * number)
                value = high << 32 | low
                value -= (1 << 64) if signed and value >> 63 else 0
            values.append(TypeEnumerator(self._text(text), value))
        words = {1: "char", 2: "short", 4: "int", 8: "long"}
        word = words.get(size, "int") if signed else f"unsigned {words.get(size, 'int')}"
        behind = self._program.int_type(word, size, bool(signed))
        if not values:
            return self._program.enum_type(name, qualifiers=q)
        return self._program.enum_type(name, behind, tuple(values), qualifiers=q)

    def _prototype(self, row: Any, q: Any) -> "Type":
        from drgn import TypeParameter  # noqa: PLC0415

        at, _, _, count, _, of = row
        parameters, more = [], False
        for number in range(count):
            text, kind = struct.unpack_from("<II", self._raw, at + 8 * number)
            if kind == 0 and number == count - 1:
                more = True
                break
            parameters.append(
                TypeParameter(self._later(kind, 0), self._text(text) if text else None)
            )
        return self._program.function_type(self.type(of), tuple(parameters), more, qualifiers=q)

    def find_type(
        self, _program: Any, kinds: Any, name: str, filename: str | None
    ) -> "Type | None":
        """Finds a type for drgn."""
        from drgn import TypeKind  # noqa: PLC0415

        if filename:
            return None
        classes = {
            TypeKind.STRUCT: "s", TypeKind.UNION: "u", TypeKind.ENUM: "e", TypeKind.TYPEDEF: "t",
            TypeKind.INT: "b", TypeKind.BOOL: "b", TypeKind.FLOAT: "b",
        }  # fmt: skip
        for kind in kinds:
            of = classes.get(kind)
            number = self._named.get((of or "", name))
            if number is None and of == "b":
                number = self._named.get(("b", _SPELLED.get(name, name)))
            if number and (found := self.type(number)).kind in kinds:
                return found
        return None

    def find_object(
        self, program: Any, name: str, flags: Any, filename: str | None
    ) -> "Object | None":
        """Finds an object for drgn: per-CPU variables, declared globals, constants of enumerations."""
        from drgn import FindObjectFlags, Object  # noqa: PLC0415

        if filename:
            return None
        if flags & FindObjectFlags.CONSTANT and (number := self._constant(name)):
            of = self.type(number)
            value = next(e.value for e in of.enumerators or () if e.name == name)
            return Object(program, of, value=value)
        if not flags & FindObjectFlags.VARIABLE:
            return None
        of = self.type(self.per_cpu[name]) if name in self.per_cpu else DECLARED.get(name)
        if of is None:
            return None
        try:
            return Object(program, program.type(of) if isinstance(of, str) else of, address=program.symbol(name).address)  # fmt: skip
        except LookupError:
            return None

    def _constant(self, name: str) -> int | None:
        if self._constants is None:
            self._constants = {}
            for number in range(1, len(self._places)):
                at, _, kind, count, _, _ = self._row_kind(number)
                step = {_ENUM: 8, _ENUM64: 12}.get(kind, 0)
                for each in range(count if step else 0):
                    (text,) = struct.unpack_from("<I", self._raw, at + step * each)
                    self._constants.setdefault(self._text(text), number)
        return self._constants.get(name)

    def _row_kind(self, number: int) -> tuple[int, None, int, int, int, int]:
        at = self._places[number]
        _, info = struct.unpack_from("<II", self._raw, at)
        return at + 12, None, info >> 24 & 0x1F, info & 0xFFFF, 0, 0

"""Triton kernels without a GPU: run by Triton's interpreter, or compiled. Started by bizra with the Python that is found.

    helper.py run               serves a socket that is its stdin, as bizra's own process for kernels does (child/mod.rs)
    helper.py compile FOLDER    reads FOLDER/job.json, leaves code and FOLDER/made.json there

A kernel's file is a stranger's: it is read only after this process has given up what a kernel has no use for.
"""

import ctypes
import json
import linecache
import os
import platform
import resource
import struct
import sys
import time
import types

OLDEST = (3, 2)  # the first Triton whose interpreter was seen to be right
LIBC = ctypes.CDLL(None, use_errno=True)
MOST_MEMORY = 3 << 30
MOST_SECONDS = 1200


class Missing(Exception):
    """Something that is not here."""


class Wrong(Exception):
    """The kernel is at fault."""


def installed():
    """Triton's version, once it is imported."""
    try:
        import triton
        import triton.language
    except ImportError as error:
        raise Missing(f"this Python has no Triton: {error}") from error
    version = str(getattr(triton, "__version__", "of no version"))
    numbers = tuple(int(n) for n in version.split(".")[:2] if n.isdigit())
    if len(numbers) != 2 or not OLDEST <= numbers < (4, 0):
        oldest = ".".join(map(str, OLDEST))
        raise Missing(f"this Python has Triton {version}, and what is here was written for {oldest} to 3.x")
    return version


def kernel_of(name, text, entry):
    """The function `entry` of a source, which the interpreter and the compiler want to find by its file's name."""
    module = types.ModuleType("kernel")
    module.__file__ = name
    sys.modules["kernel"] = module
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    try:
        exec(compile(text, name, "exec"), module.__dict__)
    except BaseException as error:
        raise Wrong(said(error, name)) from error
    found = getattr(module, entry, None)
    if found is None or not hasattr(found, "fn"):
        raise Wrong(f"{name} has no function `{entry}` under @triton.jit")
    return found


def said(error, name):
    """The error with the line of the kernel's file, and of what lies under it the last that says something."""
    line = None
    last = error
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == name:
                line = trace.tb_lineno
            trace = trace.tb_next
        if isinstance(error, SyntaxError) and error.filename == name:
            line = error.lineno
        node = getattr(error, "node", None)
        # The compiler counts from the function that it was given.
        line = line or (node and getattr(node, "lineno", None))
        last, error = error, error.__cause__
    words = " ".join(str(last).split()) or type(last).__name__
    return f"{name}:{line}: {words}" if line else f"{name}: {words}"


def limit(file_bytes):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))


def landlock(writable):
    """Forbids writing to all files but those below the paths. Whether the system has that."""
    create, add, restrict = 444, 445, 446
    write, remove_and_make, between_folders = 1 << 1, 0x1FF0, 0
    if writable:
        # The first version forbids moving files from folder to folder, whatever is allowed, and the compiler does that.
        if LIBC.syscall(create, None, ctypes.c_size_t(0), 1) < 2:
            return False
        between_folders = 1 << 13
    handled = struct.pack("=Q", write | remove_and_make | between_folders)
    ruleset = LIBC.syscall(create, handled, ctypes.c_size_t(8), 0)
    if ruleset < 0:
        return False
    for path in writable:
        folder = os.open(path, os.O_PATH)
        allowed = write | (remove_and_make | between_folders if os.path.isdir(path) else 0)
        if LIBC.syscall(add, ruleset, 1, struct.pack("=Qi", allowed, folder), 0) != 0:
            return False
        os.close(folder)
    LIBC.prctl(38, 1, 0, 0, 0)  # no new privileges
    held = LIBC.syscall(restrict, ruleset, 0) == 0
    os.close(ruleset)
    return held


def filtered(program):
    """Puts a filter on system calls, as bizra made it; a forbidden one ends the process."""
    if not program:
        return False

    class Filter(ctypes.Structure):
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    code = ctypes.create_string_buffer(program, len(program))
    whole = Filter(len(program) // 8, ctypes.addressof(code))
    LIBC.prctl(38, 1, 0, 0, 0)
    return LIBC.prctl(22, 2, ctypes.byref(whole), 0, 0) == 0


class Reader:
    """Little-endian numbers, and what is made of them."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        (value,) = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return value

    def bytes(self):
        length = self.number("Q")
        self.at += length
        return self.data[self.at - length : self.at]

    def text(self):
        return self.bytes().decode()

    def many(self, one):
        return [one() for _ in range(self.number("Q"))]

    def optional(self, one):
        return one() if self.number("B") else None

    def region(self):
        return self.number("B"), self.number("Q"), self.number("Q")

    def tensor(self):
        region, start, _bytes, _dtype = (self.number(form) for form in "IQQI")
        self.many(lambda: self.number("q"))  # shape
        self.many(lambda: self.number("q"))  # strides
        return region, start

    def parameter(self):
        self.text()
        self.number("d" if self.number("B") else "q")

    def launch(self):
        grid = [self.number("I") for _ in range(3)]
        self.number("I")  # threads
        return grid, self.many(lambda: self.number("I"))

    def call(self):
        kernel, _op, _threads = (self.number("I") for _ in range(3))
        tensors = self.many(self.tensor) + self.many(self.tensor)
        self.many(self.parameter)
        self.optional(lambda: [self.number(form) for form in "IQQ"])
        return kernel, tensors, self.optional(self.launch)


def text(words):
    words = words.encode()
    return struct.pack("<Q", len(words)) + words


class Pointer:
    """What the interpreter takes for a tensor: an address and a type."""

    def __init__(self, address, dtype):
        self.address, self.dtype = address, dtype

    def data_ptr(self):
        return self.address

    def untyped_storage(self):
        return self

    def cpu(self):
        return self

    def copy_(self, _other):
        return self

    def new_empty(self, _size, device=None):
        return Pointer(self.address, self.dtype)

    def set_(self, *_what):
        return self

    def storage_offset(self):
        return 0

    def size(self):
        return ()

    def stride(self):
        return ()


LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
PAGE = os.sysconf("SC_PAGE_SIZE")


def mapped(address, length, access, flags, file, offset):
    found = LIBC.mmap(address, length, access, flags, file, offset)
    if found is None or found == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "a region can't be mapped")
    return found


class Server:
    def __init__(self, socket, files):
        self.socket, self.files, self.kernels = socket, files, []
        self.version = self.held = None

    def load(self, message):
        if self.version is None:
            self.version = installed()
        import numpy
        import triton.runtime.interpreter  # what it needs is read before files are out of reach

        name, source, entry = message.text(), message.text(), message.text()
        signature = message.many(message.text)
        program = message.bytes()
        if self.held is None:
            numpy.seterr(all="ignore")
            limit(0)
            self.held = struct.pack("<BBB", True, filtered(program), landlock([]))
        self.kernels.append((name, kernel_of(name, source, entry), signature))
        place = f"Triton {self.version}'s interpreter", f"NumPy {numpy.__version__}, Python {platform.python_version()}"
        place = b"\1" + text(place[0]) + text(place[1]) + b"\1"
        return b"\0" + struct.pack("<I", len(self.kernels) - 1) + self.held + place

    def batch(self, message):
        regions = [self.map(*region) for region in message.many(message.region)]
        try:
            calls = message.many(message.call)
            results = [self.one(regions, *call) for call in calls]
        finally:
            for start, whole in regions:
                LIBC.munmap(start, whole)
        return b"\1" + struct.pack("<Q", len(results)) + b"".join(struct.pack("<iQ", *one) for one in results)

    def map(self, file, offset, length):
        """A region of a file between two pages that nobody may touch."""
        read, write, shared, fixed, private, hidden = 1, 2, 0x01, 0x10, 0x02, 0x20
        whole = length + 2 * PAGE
        start = mapped(None, whole, 0, private | hidden, -1, 0)
        if length:
            access = read | write if file else read
            mapped(start + PAGE, length, access, shared | fixed, self.files[file], offset)
        return start, whole

    def one(self, regions, number, tensors, launch):
        name, kernel, signature = self.kernels[number]
        if launch is None:
            return 1, 0  # not implemented
        grid, words = launch
        pointers = [form[1:] for form in signature if form.startswith("*")]
        scalars = [form for form in signature if not form.startswith("*")]
        if (len(pointers), len(scalars)) != (len(tensors), len(words)):
            raise Missing("a call that has other arguments than its operation")
        arguments = [Pointer(regions[at][0] + PAGE + start, form) for (at, start), form in zip(tensors, pointers)]
        real = [struct.unpack("<f", struct.pack("<I", word))[0] for word in words]
        arguments += [real[at] if form == "fp32" else words[at] for at, form in enumerate(scalars)]
        before = time.monotonic_ns()
        if all(grid):
            try:
                kernel[tuple(grid)](*arguments)
            except Exception as error:
                raise Wrong(said(error, name)) from error
        return 0, time.monotonic_ns() - before

    def answer(self, request):
        message = Reader(request)
        kind = message.number("B")
        try:
            if kind == 1:
                return self.batch(message)
            if message.number("B") != 5:
                raise Missing("this process runs Triton kernels only")
            return self.load(message)
        except Wrong as error:
            return b"\3" + text(str(error))
        except (Missing, OSError, ImportError) as error:
            return b"\2" + text(str(error))

    def serve(self):
        while True:
            length = self.take(8)
            if length is None:
                return
            request = self.take(struct.unpack("<Q", length)[0])
            if request is None:
                return
            reply = self.answer(request)
            self.socket.sendall(struct.pack("<Q", len(reply)) + reply)

    def take(self, length):
        taken = bytearray()
        while len(taken) < length:
            piece = self.socket.recv(min(length - len(taken), 1 << 20))
            if not piece:
                return None
            taken += piece
        return bytes(taken)


def run():
    import socket

    LIBC.prctl(1, 9, 0, 0, 0)  # who asked may end while a kernel computes
    os.environ["TRITON_INTERPRET"] = "1"
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    connection = socket.socket(fileno=os.dup(0))
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    _, files, _, _ = socket.recv_fds(connection, 1, 2)
    Server(connection, files).serve()


def compile_all(folder):
    """Machine code for each target of a job, or why there is none."""
    with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
        job = json.load(file)
    made = {"triton": None, "made": [], "missing": [], "wrong": None, "held": False}
    try:
        os.environ.pop("TRITON_INTERPRET", None)
        os.environ["TRITON_CACHE_DIR"] = os.path.join(folder, "cache")
        os.environ["TMPDIR"] = folder
        made["triton"] = installed()
        import triton
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource

        limit(1 << 30)
        made["held"] = landlock([folder, "/dev/null"])
        kernel = kernel_of(job["name"], job["text"], job["entry"])
        if kernel.arg_names != list(dict.fromkeys(kernel.arg_names)) or len(kernel.arg_names) != len(job["signature"]):
            raise Wrong(f"{job['name']}: `{job['entry']}` takes {len(kernel.arg_names)} arguments, and the operation has {len(job['signature'])}: see bizra_gpu.h")
        source = ASTSource(kernel, dict(zip(kernel.arg_names, job["signature"])))
        for backend, architecture, warp, kind in job["targets"]:
            shown = f"sm_{architecture}" if backend == "cuda" else architecture
            architecture = int(architecture) if backend == "cuda" else architecture
            options = {"num_warps": max(1, job["block"] // warp)}
            try:
                compiled = triton.compile(source, target=GPUTarget(backend, architecture, warp), options=options)
            except Exception as error:
                name = type(error).__name__
                if name in ("PTXASError", "FileNotFoundError", "RuntimeError", "OSError", "ImportError"):
                    made["missing"].append(f"{kind} for {shown}: {' '.join(str(error).split())[:300]}")
                    continue
                raise Wrong(f"Triton for {shown}: {said(error, job['name'])}") from error
            code = compiled.asm[kind]
            file = f"{shown}.{kind}"
            with open(os.path.join(folder, file), "wb") as out:
                out.write(code if isinstance(code, bytes) else code.encode())
            made["made"].append([f"{kind} for {shown}", file])
    except Wrong as error:
        made["wrong"] = str(error)
    except (Missing, ImportError) as error:
        made["missing"].append(str(error))
    with open(os.path.join(folder, "made.json"), "w", encoding="utf-8") as file:
        json.dump(made, file)


if __name__ == "__main__":
    sys.path[:] = [path for path in sys.path if path not in ("", "/")]
    if sys.argv[1:] == ["run"]:
        run()
    else:
        compile_all(sys.argv[2])

//! The C interface of the embedded ClickHouse engine, `libchdb.so`.
//!
//! Invariant: every call into the library stands in this file; a connection and what was made from it are used by one
//! thread at a time, and each handle is given back exactly once.
//!
//! The library is loaded at run time and never unloaded: the engine leaves threads behind that would run in memory
//! that is gone.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::OnceLock;

/// What the engine says when a statement fails: `Code: 60. DB::Exception: … (UNKNOWN_TABLE)`.
pub(super) type Complaint = String;

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("load the ClickHouse engine `{}` (deploy/fetch-engine.sh fetches it)", path.display())]
    Open { path: PathBuf, source: libloading::Error },
    #[error("find `{name}` in the ClickHouse engine `{}`", path.display())]
    Symbol { path: PathBuf, name: &'static str, source: libloading::Error },
}

/// `chdb_connection *`: the engine hands out a pointer to a pointer.
type ConnectionHandle = *mut *mut c_void;
type ResultHandle = *mut c_void;
type InsertHandle = *mut c_void;

/// `(conn, query, length, format, length, names, lengths, values, lengths, count)`, of queries and inserts alike.
type WithParameters<T> = unsafe extern "C" fn(
    *mut c_void,
    *const c_char,
    usize,
    *const c_char,
    usize,
    *const *const c_char,
    *const usize,
    *const *const c_char,
    *const usize,
    usize,
) -> T;

/// The functions of `chdb.h`, version 26.7.
#[derive(Debug)]
pub(super) struct Library {
    connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> ConnectionHandle,
    close: unsafe extern "C" fn(ConnectionHandle),
    query: WithParameters<ResultHandle>,
    insert: WithParameters<InsertHandle>,
    insert_append: unsafe extern "C" fn(InsertHandle, *const c_void, usize) -> c_int,
    insert_done: unsafe extern "C" fn(InsertHandle) -> ResultHandle,
    insert_error: unsafe extern "C" fn(InsertHandle) -> *const c_char,
    insert_destroy: unsafe extern "C" fn(InsertHandle),
    result_buffer: unsafe extern "C" fn(ResultHandle) -> *mut c_char,
    result_length: unsafe extern "C" fn(ResultHandle) -> usize,
    result_error: unsafe extern "C" fn(ResultHandle) -> *const c_char,
    result_destroy: unsafe extern "C" fn(ResultHandle),
    rows_read: unsafe extern "C" fn(ResultHandle) -> u64,
    bytes_read: unsafe extern "C" fn(ResultHandle) -> u64,
    storage_rows_read: unsafe extern "C" fn(ResultHandle) -> u64,
    storage_bytes_read: unsafe extern "C" fn(ResultHandle) -> u64,
    rows_written: unsafe extern "C" fn(ResultHandle) -> u64,
    bytes_written: unsafe extern "C" fn(ResultHandle) -> u64,
}

/// What a statement read and wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Statistics {
    pub(super) read_rows: u64,
    pub(super) read_bytes: u64,
    pub(super) written_rows: u64,
    pub(super) written_bytes: u64,
    pub(super) result_rows: u64,
    pub(super) result_bytes: u64,
}

/// The library of this process. The first path decides; the engine cannot be loaded twice.
pub(super) fn load(path: &Path) -> Result<&'static Library, LoadError> {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    if let Some(library) = LIBRARY.get() {
        return Ok(library);
    }
    let library = Library::open(path)?;
    Ok(LIBRARY.get_or_init(|| library))
}

impl Library {
    fn open(path: &Path) -> Result<Self, LoadError> {
        // SAFETY: the initialisers of the library are those of a C++ runtime; they need nothing of the host.
        let library = unsafe { libloading::Library::new(path) };
        let library = library.map_err(|source| LoadError::Open { path: path.to_owned(), source })?;
        let symbols = Symbols { library: &library, path };

        let set_signal_handlers_enabled: unsafe extern "C" fn(c_int) =
            symbols.get("chdb_set_signal_handlers_enabled")?;
        // SAFETY: takes a number. It comes before the first connection, or the engine takes over the signals.
        unsafe { set_signal_handlers_enabled(0) };

        let functions = Self {
            connect: symbols.get("chdb_connect")?,
            close: symbols.get("chdb_close_conn")?,
            query: symbols.get("chdb_query_with_params_n")?,
            insert: symbols.get("chdb_stream_insert_with_params_n")?,
            insert_append: symbols.get("chdb_stream_append")?,
            insert_done: symbols.get("chdb_stream_done")?,
            insert_error: symbols.get("chdb_stream_insert_error")?,
            insert_destroy: symbols.get("chdb_destroy_insert_stream")?,
            result_buffer: symbols.get("chdb_result_buffer")?,
            result_length: symbols.get("chdb_result_length")?,
            result_error: symbols.get("chdb_result_error")?,
            result_destroy: symbols.get("chdb_destroy_query_result")?,
            rows_read: symbols.get("chdb_result_rows_read")?,
            bytes_read: symbols.get("chdb_result_bytes_read")?,
            storage_rows_read: symbols.get("chdb_result_storage_rows_read")?,
            storage_bytes_read: symbols.get("chdb_result_storage_bytes_read")?,
            rows_written: symbols.get("chdb_result_rows_written")?,
            bytes_written: symbols.get("chdb_result_bytes_written")?,
        };
        // Never unloaded, so that the function pointers stay valid for the rest of the process.
        std::mem::forget(library);
        Ok(functions)
    }

    /// A connection with its own settings and current database. All open connections of a process share one data
    /// folder; `None` if the engine refuses it: another process holds it, or this one has another open.
    pub(super) fn connect(&'static self, data: &Path) -> Option<Connection> {
        let mut path = b"--path=".to_vec();
        path.extend_from_slice(data.as_os_str().as_bytes());
        // On a terminal the engine would write its own log between the lines of the program.
        let quiet = c"--logger.console=0".to_owned();
        let arguments = [CString::new("clickhouse").ok()?, CString::new(path).ok()?, quiet];
        let mut pointers = arguments.each_ref().map(|argument| argument.as_ptr().cast_mut());
        // SAFETY: three arguments, each a C string that outlives the call; the engine copies and does not change them.
        let handle = unsafe { (self.connect)(3, pointers.as_mut_ptr()) };
        NonNull::new(handle).map(|handle| Connection { library: self, handle })
    }
}

struct Symbols<'a> {
    library: &'a libloading::Library,
    path: &'a Path,
}

impl Symbols<'_> {
    fn get<T: Copy>(&self, name: &'static str) -> Result<T, LoadError> {
        // SAFETY: each caller asks for the type that `chdb.h` declares for the name; the fields of `Library` say it.
        let symbol = unsafe { self.library.get::<T>(name.as_bytes()) };
        symbol.map(|symbol| *symbol).map_err(|source| LoadError::Symbol { path: self.path.to_owned(), name, source })
    }
}

/// One connection: its statements run one after another.
#[derive(Debug)]
pub(super) struct Connection {
    library: &'static Library,
    handle: NonNull<*mut c_void>,
}

// SAFETY: the engine ties a connection to no thread; being neither `Sync` nor `Clone`, it is used by one at a time.
unsafe impl Send for Connection {}

/// Named values of a statement, `{name:Type}`, each written as a field of TabSeparated.
pub(super) type Parameters = [(String, String)];

impl Connection {
    /// Runs a statement to its end. `format` is for a statement that names none.
    pub(super) fn query(&self, query: &[u8], format: &str, parameters: &Parameters) -> Result<Answer, Complaint> {
        let handle = self.call(self.library.query, query, format, parameters);
        Answer::take(self.library, handle)
    }

    /// Begins `INSERT INTO …`, without its `FORMAT`, of data in `format`.
    pub(super) fn insert(&self, query: &[u8], format: &str, parameters: &Parameters) -> Result<Insert<'_>, Complaint> {
        let handle = self.call(self.library.insert, query, format, parameters);
        let insert = Insert { connection: self, handle };
        match insert.complaint() {
            None => Ok(insert),
            Some(complaint) => Err(complaint),
        }
    }

    fn call<T>(&self, function: WithParameters<T>, query: &[u8], format: &str, parameters: &Parameters) -> T {
        let names: Vec<*const c_char> = parameters.iter().map(|(name, _)| name.as_ptr().cast()).collect();
        let name_bytes: Vec<usize> = parameters.iter().map(|(name, _)| name.len()).collect();
        let values: Vec<*const c_char> = parameters.iter().map(|(_, value)| value.as_ptr().cast()).collect();
        let value_bytes: Vec<usize> = parameters.iter().map(|(_, value)| value.len()).collect();
        // SAFETY: the handle is open until `drop`. Every text goes with its length and outlives the call; the engine
        // copies it. The four arrays have `parameters.len()` entries.
        unsafe {
            function(
                *self.handle.as_ptr(),
                query.as_ptr().cast(),
                query.len(),
                format.as_ptr().cast(),
                format.len(),
                names.as_ptr(),
                name_bytes.as_ptr(),
                values.as_ptr(),
                value_bytes.as_ptr(),
                parameters.len(),
            )
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the handle came from `connect` and is closed here alone; inserts borrow `self`, so none is open.
        unsafe { (self.library.close)(self.handle.as_ptr()) }
    }
}

/// An insert in progress. Dropped before `finish`, it is cancelled.
#[derive(Debug)]
pub(super) struct Insert<'a> {
    connection: &'a Connection,
    handle: InsertHandle,
}

impl Insert<'_> {
    /// Waits while the engine is behind.
    pub(super) fn append(&mut self, data: &[u8]) -> Result<(), Complaint> {
        // SAFETY: the handle is open until `drop`; the engine copies `data`.
        let state = unsafe { (self.connection.library.insert_append)(self.handle, data.as_ptr().cast(), data.len()) };
        // A failed append does not say why: the reason comes from `finish`.
        if state == 0 { Ok(()) } else { Err(self.complaint().unwrap_or_default()) }
    }

    /// When it returns, the engine holds the rows.
    pub(super) fn finish(self) -> Result<Answer, Complaint> {
        // SAFETY: the handle is open; `drop`, which follows, gives it back as the interface asks.
        let handle = unsafe { (self.connection.library.insert_done)(self.handle) };
        Answer::take(self.connection.library, handle)
    }

    fn complaint(&self) -> Option<Complaint> {
        // SAFETY: the handle is open; the text is null or a C string that lives as long as the handle.
        unsafe { text((self.connection.library.insert_error)(self.handle)) }
    }
}

impl Drop for Insert<'_> {
    fn drop(&mut self) {
        // SAFETY: given back here alone; the interface cancels an insert that was not finished, and takes null.
        unsafe { (self.connection.library.insert_destroy)(self.handle) }
    }
}

/// The bytes of an answer, in the memory of the engine.
#[derive(Debug)]
pub(super) struct Answer {
    library: &'static Library,
    handle: NonNull<c_void>,
}

// SAFETY: a finished result is plain memory, tied to no thread and to no connection.
unsafe impl Send for Answer {}
// SAFETY: every method reads alone.
unsafe impl Sync for Answer {}

impl Answer {
    fn take(library: &'static Library, handle: ResultHandle) -> Result<Self, Complaint> {
        let handle = NonNull::new(handle).ok_or_else(|| "the engine gave no answer".to_owned())?;
        let answer = Self { library, handle };
        // SAFETY: the handle is open; the text is null or a C string that lives as long as it.
        match unsafe { text((library.result_error)(answer.handle.as_ptr())) } {
            None => Ok(answer),
            Some(complaint) => Err(complaint),
        }
    }

    pub(super) fn statistics(&self) -> Statistics {
        let read = |function: unsafe extern "C" fn(ResultHandle) -> u64| {
            // SAFETY: the handle is open; each of these functions reads one number from it.
            unsafe { function(self.handle.as_ptr()) }
        };
        Statistics {
            read_rows: read(self.library.storage_rows_read),
            read_bytes: read(self.library.storage_bytes_read),
            written_rows: read(self.library.rows_written),
            written_bytes: read(self.library.bytes_written),
            result_rows: read(self.library.rows_read),
            result_bytes: read(self.library.bytes_read),
        }
    }
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the handle is open; reads its length.
        let bytes = unsafe { (self.library.result_length)(self.handle.as_ptr()) };
        // SAFETY: the handle is open; reads its pointer.
        let start = unsafe { (self.library.result_buffer)(self.handle.as_ptr()) };
        if bytes == 0 || start.is_null() {
            return &[];
        }
        // SAFETY: the buffer holds that many bytes, and nobody changes them until the handle is given back.
        unsafe { std::slice::from_raw_parts(start.cast_const().cast(), bytes) }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: given back here alone.
        unsafe { (self.library.result_destroy)(self.handle.as_ptr()) }
    }
}

/// # Safety
/// `start` is null or a C string that lives during the call.
unsafe fn text(start: *const c_char) -> Option<Complaint> {
    if start.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    Some(unsafe { CStr::from_ptr(start) }.to_string_lossy().into_owned())
}

//! One request and its answer, over a connection of their own.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use super::{Agent, SignError};

/// What OpenSSH's agent itself keeps to.
const MAX_MESSAGE_BYTES: u32 = 256 * 1024;

pub(super) fn exchange(agent: &Agent, request: &[u8]) -> Result<Vec<u8>, SignError> {
    let failed = |error: io::Error| {
        let reason = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("no answer within {} ms", agent.timeout.as_millis())
            }
            io::ErrorKind::UnexpectedEof => "it hung up".to_owned(),
            _ => error.to_string(),
        };
        SignError::Unavailable(format!("ssh-agent at {}: {reason}", agent.socket.display()))
    };
    try_exchange(agent, request).map_err(failed)
}

fn try_exchange(agent: &Agent, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(&agent.socket)?;
    stream.set_read_timeout(Some(agent.timeout))?;
    stream.set_write_timeout(Some(agent.timeout))?;
    stream.write_all(request)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length == 0 || length > MAX_MESSAGE_BYTES {
        return Err(io::Error::other(format!("its answer claims to have {length} bytes")));
    }
    let mut answer = Vec::new();
    let read = stream.take(u64::from(length)).read_to_end(&mut answer)?;
    if read < length as usize { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer) }
}

//! The subcommand `user`: a first administrator, roles, and the end of sessions. Passwords are never
//! arguments, which other users of the machine can read.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context as _, anyhow, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::Settings;
use crate::contract::email::is_email;
use crate::db::users::{NewUser, Role, UserChanges};
use crate::db::{Database, migrations};
use crate::error::{Conflict, Error};
use crate::passwords;

use super::database::require_tables;
use super::target::Target;
use super::{BadSetting, print};

/// The fewest and the most characters of a new password.
const PASSWORD_LENGTHS: std::ops::RangeInclusive<usize> = 8..=255;

/// Stores an administrator. The password is asked for twice at a terminal, and is otherwise the first line
/// of standard input.
///
/// # Errors
/// When the email or the password is no such thing, or another user has the email.
pub fn create_admin(settings: &Settings, email: &str) -> anyhow::Result<()> {
    if !is_email(email) || email.chars().count() > 255 {
        return Err(BadSetting(format!("{email:?} is not an email address")).into());
    }
    let password = new_password()?;
    let password = passwords::hash_blocking(&password).context("hashing the password")?;
    let new = NewUser {
        email: email.to_owned(),
        password,
        role: Role::Admin,
    };
    let user = with_database(settings, async |db| match db.create_user(new).await {
        Err(Error::Conflict(Conflict::EmailTaken)) => Err(anyhow!(
            "there is a user with this email already: `ecommerce-api user set-role --email {email} ADMIN` \
             makes an administrator of this user"
        )),
        created => Ok(created?),
    })?;
    print(&format!(
        "created the administrator {}, id {}",
        user.email, user.id
    ))
}

/// Changes the role of a user. An administrator who becomes an ordinary user is logged out everywhere.
///
/// # Errors
/// When there is no such user.
pub fn set_role(settings: &Settings, email: &str, role: Role) -> anyhow::Result<()> {
    let changes = UserChanges {
        role: Some(role),
        ..UserChanges::default()
    };
    let user = with_database(settings, async |db| {
        let id = find(&db, email).await?;
        Ok(db.update_user(id, changes, None).await?)
    })?;
    let role = match user.role {
        Role::Admin => "ADMIN",
        Role::User => "USER",
    };
    print(&format!(
        "{}, id {}, has the role {role}",
        user.email, user.id
    ))
}

/// Logs a user out everywhere: running servers refuse the access tokens within two seconds.
///
/// # Errors
/// When there is no such user, or the database has no tables for sessions.
pub fn revoke_sessions(settings: &Settings, email: &str) -> anyhow::Result<()> {
    let ended = with_database(settings, async |db| {
        let id = find(&db, email).await?;
        Ok(db.end_sessions_of(id).await?)
    })?;
    print(&format!("ended {ended} sessions of {email}"))
}

/// The id of the user whom a login with `email` means.
async fn find(db: &Database, email: &str) -> anyhow::Result<i32> {
    let found = db.credentials(email.to_owned()).await?;
    let found = found.ok_or_else(|| anyhow!("there is no user with the email {email}"))?;
    Ok(found.user.id)
}

/// Runs `work` on the database of the settings.
fn with_database<T>(
    settings: &Settings,
    work: impl AsyncFnOnce(Database) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let target = Target::open(settings)?;
    let mut session = target.connect()?;
    if target.embedded.is_some() {
        migrations::run(&mut session)?;
    }
    require_tables(&mut session, &target.url)?;
    drop(session);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("cannot start a runtime")?;
    // As many connections as one request needs.
    runtime.block_on(async { work(Database::new(&target.url.async_opts(), 4, 1)).await })
}

/// A new password: typed twice at a terminal, or the first line of standard input.
fn new_password() -> anyhow::Result<SecretString> {
    let password = if io::stdin().is_terminal() {
        let password = ask("Password: ")?;
        if ask("Once more: ")?.expose_secret() != password.expose_secret() {
            bail!("the two passwords differ");
        }
        password
    } else {
        read_line()?
    };
    if !PASSWORD_LENGTHS.contains(&password.expose_secret().chars().count()) {
        let (least, most) = (PASSWORD_LENGTHS.start(), PASSWORD_LENGTHS.end());
        bail!("a password must have {least} to {most} characters");
    }
    Ok(password)
}

/// Reads a line from a terminal that does not show it.
fn ask(question: &str) -> anyhow::Result<SecretString> {
    write!(io::stderr(), "{question}").context("cannot ask for the password")?;
    let hidden = Hidden::begin().context("cannot hide the password")?;
    let line = read_line();
    drop(hidden);
    // The line end that was typed was not shown either.
    let _ = writeln!(io::stderr());
    line
}

/// Reads a line from standard input, without its end.
fn read_line() -> anyhow::Result<SecretString> {
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    if read.context("cannot read the password")? == 0 {
        bail!("no password: type one, or send it as a line to standard input");
    }
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).into())
}

/// While this exists, the terminal does not show what is typed.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

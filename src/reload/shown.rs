//! What a generation says and means, for whoever looks: changes nothing, and shows no secret.

use super::World;
use super::ask::{Answer, Refusal};
use super::attempt::on_reader_thread;
use super::generations::Stored;
use super::plan::{Plan, parts};
use super::reloader::Reloader;
use super::state::Cause;
use crate::config::expanded;

impl<W: World> Reloader<W> {
    /// A generation's files as one text.
    pub(super) async fn expanded(&self, generation: Option<u64>) -> Result<Answer, Refusal> {
        let (number, stored) = match generation {
            Some(number) => (number, self.stored(number)?),
            None => (self.number_now(), self.texts_now()?),
        };
        let main = self.options.main.clone();
        let text = on_reader_thread(move || {
            let text = expanded::text(&main, &stored);
            text.map(|text| (main, text)).ok()
        });
        let unreadable = || {
            Refusal::Conflict(format!("generation {number} cannot be read today"), "lbctl config show".into())
        };
        let (main, text) = text.await.flatten().ok_or_else(unreadable)?;
        Ok(Answer { generation: number, texts: [(main, text)].into(), ..Answer::default() })
    }

    /// What a generation means.
    pub(super) async fn meaning(&self, generation: Option<u64>) -> Result<Answer, Refusal> {
        let parts = match generation {
            Some(number) => parts(self.model_of(number).await?.as_ref()),
            None => self.running.as_ref().map(|running| parts(&running.model)).unwrap_or_default(),
        };
        let generation = generation.unwrap_or_else(|| self.number_now());
        Ok(Answer { generation, parts, ..Answer::default() })
    }

    /// The texts of what runs, which need not be kept anywhere else.
    fn texts_now(&self) -> Result<Stored, Refusal> {
        let nothing = || Refusal::Unknown("nothing runs".into());
        let running = self.running.as_ref().ok_or_else(nothing)?;
        let info = self.describe(running.number, &Cause::Boot, &running.digest, &Plan::default(), 0);
        Ok(Stored::kept(info, &running.texts, running.record.globs(), self.files.clone()))
    }
}

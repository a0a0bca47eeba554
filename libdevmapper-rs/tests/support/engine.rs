// An expression: a library on the engine inside the process, for examples that run without root. There are RAM disks 1:0
// to 1:3 of 16 MiB, and no devices.
{
    use std::sync::{Arc, Mutex};

    use dm_abi::errno::Errno;
    use dm_core::control::{Control, Outcome};
    use dm_sim::{Disk, Sim};
    use libdevmapper::library::Library;
    use libdevmapper::transport::{Failure, Transport};

    #[derive(Debug)]
    struct Inside(Mutex<Control<Sim>>);

    impl Transport for Inside {
        fn ioctl(&self, nr: u32, buffer: &mut [u8]) -> Result<(), Failure> {
            let mut control = self.0.lock().unwrap();
            let mut outcome = control.request(nr, buffer);
            loop {
                match outcome {
                    Outcome::Done(Ok(_)) => return Ok(()),
                    Outcome::Done(Err(errno)) => return Err(Failure::Refused(errno)),
                    // Nothing is in flight, so that nothing has to be waited for.
                    Outcome::Wait(ticket, _) => outcome = control.proceed(ticket, Ok(()), buffer),
                }
            }
        }

        fn dm_major(&self) -> Option<u32> {
            Some(254)
        }

        fn has_udev(&self) -> bool {
            false
        }

        fn wait_event(&self) -> Result<(), Failure> {
            Err(Failure::Refused(Errno::EOPNOTSUPP))
        }
    }

    let mut sim = Sim::new();
    for minor in 0..4 {
        sim.add_disk(1, minor, &format!("/dev/ram{minor}"), Disk::new(32768));
    }
    let library = Library::with_transport(Arc::new(Inside(Mutex::new(Control::new(sim)))));
    // No directory, so that nodes are made nowhere.
    library.change_settings(|s| s.dm_dir = "/dev/null/mapper".into());
    library
}

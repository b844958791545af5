//! What the cleaner may remove.

use crate::queue::{ATTEMPTS, ERROR, finish_one, held};
use crate::{NOW, both, claim, id, new_task};
use shared::domain::task::Status;
use shared::store::files::{self, Disposable};
use shared::store::queue::{self, Sequel};
use shared::store::tasks;

#[tokio::test]
async fn a_quick_download_expires_and_an_archive_does_not() {
    for fixture in both().await {
        let database = &*fixture.database;
        for _ in 0..3 {
            tasks::submit(database, &new_task(&id())).await.unwrap();
        }
        let quick = finish_one(database, NOW, Some(NOW + 100)).await;
        let later = finish_one(database, NOW, Some(NOW + 200)).await;
        let archive = finish_one(database, NOW, None).await;
        assert!(
            files::expire(database, NOW + 99, 10)
                .await
                .unwrap()
                .is_empty()
        );
        let expired = files::expire(database, NOW + 100, 10).await.unwrap();
        let expected = Disposable {
            task_id: quick.task_id.clone(),
            file_path: quick.file_path.clone(),
        };
        assert_eq!(expired, [expected], "{}", fixture.name);
        let status = tasks::find(database, &quick.task_id)
            .await
            .unwrap()
            .unwrap()
            .status;
        assert_eq!(status, Status::Expired);
        let ids = [
            quick.task_id,
            later.task_id.clone(),
            archive.task_id.clone(),
            id(),
        ];
        let known = files::known(database, &ids).await.unwrap();
        assert_eq!(known.len(), 3, "the last id has no row");
        let mut kept: Vec<String> = known
            .into_iter()
            .filter(|row| row.in_use)
            .map(|row| row.task_id)
            .collect();
        kept.sort();
        let mut expected = [later.task_id, archive.task_id];
        expected.sort();
        assert_eq!(kept, expected);
    }
}

#[tokio::test]
async fn early_expiry_takes_the_quick_downloads_that_end_first() {
    for fixture in both().await {
        let database = &*fixture.database;
        for _ in 0..4 {
            tasks::submit(database, &new_task(&id())).await.unwrap();
        }
        let second = finish_one(database, NOW, Some(NOW + 200)).await;
        let first = finish_one(database, NOW, Some(NOW + 100)).await;
        let third = finish_one(database, NOW, Some(NOW + 300)).await;
        let archive = finish_one(database, NOW, None).await;
        let expired = files::expire_early(database, NOW, 2).await.unwrap();
        let mut ids: Vec<&str> = expired
            .iter()
            .map(|(file, _)| file.task_id.as_str())
            .collect();
        ids.sort_unstable();
        let mut expected = [first.task_id.as_str(), second.task_id.as_str()];
        expected.sort_unstable();
        assert_eq!(ids, expected, "{}", fixture.name);
        assert!(expired.iter().all(|(_, size)| *size == 42));
        let mut present = Vec::new();
        let mut after = String::new();
        loop {
            let page = files::present(database, &after, 1).await.unwrap();
            let Some(row) = page.into_iter().next() else {
                break;
            };
            after.clone_from(&row.task_id);
            present.push(row.task_id);
        }
        let mut left = [third.task_id, archive.task_id];
        left.sort();
        assert_eq!(present, left);
    }
}

#[tokio::test]
async fn of_the_tasks_that_left_something_the_dead_letters_are_told() {
    for fixture in both().await {
        let database = &*fixture.database;
        let mut ids = Vec::new();
        for sequel in [
            Sequel::Bury,
            Sequel::Fail,
            Sequel::Retry { run_at: NOW + 9 },
        ] {
            ids.push(tasks::submit(database, &new_task(&id())).await.unwrap());
            let claimed = claim(database, "w", NOW, NOW + 1000, 1).await.unwrap();
            let claim = held(&claimed[0]);
            let ended = queue::fail(database, &claim, sequel, ERROR, ATTEMPTS, NOW);
            ended.await.unwrap().unwrap();
        }
        ids.push(id());
        let dead = files::dead(database, &ids).await.unwrap();
        assert_eq!(dead, ids[..1], "{}", fixture.name);
        assert!(files::dead(database, &[]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_deleted_row_goes_after_its_file() {
    for fixture in both().await {
        let database = &*fixture.database;
        tasks::submit(database, &new_task(&id())).await.unwrap();
        let task = finish_one(database, NOW, None).await;
        assert!(files::deleted(database, 10).await.unwrap().is_empty());
        files::forget(database, &task.task_id).await.unwrap();
        assert!(
            tasks::find(database, &task.task_id)
                .await
                .unwrap()
                .is_some(),
            "{}",
            fixture.name
        );
        tasks::delete(database, &task.task_id, NOW).await.unwrap();
        let deleted = files::deleted(database, 10).await.unwrap();
        assert_eq!(deleted[0].task_id, task.task_id);
        assert_eq!(deleted[0].file_path, task.file_path);
        let ids = std::slice::from_ref(&task.task_id);
        assert!(!files::known(database, ids).await.unwrap()[0].in_use);
        files::forget(database, &task.task_id).await.unwrap();
        assert!(files::deleted(database, 10).await.unwrap().is_empty());
    }
}

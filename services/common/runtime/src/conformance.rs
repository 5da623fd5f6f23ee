//! What the storage helpers promise, as functions that tests call with a database of each engine. Each makes its own
//! tables and expects them not to exist.

use crate::{
    clock::Micros,
    db::{Db, Migration, Migrations, Rows, Sql, column},
    error::{Error, Result},
    idempotency::{self, RequestKey},
};

/// As many rows as the largest set-based statements use.
const MANY: i64 = 10_000;

const ROWS_TABLE: Migration = Migration {
    name: "m20260101_000001_create_rows_suite",
    sql: "CREATE TABLE rows_suite (id BIGINT PRIMARY KEY, name TEXT, amount BIGINT, content @blob@) @fill@;",
};

type Row = (i64, Option<String>, Option<i64>, Option<Vec<u8>>);

/// Rows of all column types, with nulls and extremes, survive insert, join, `UPDATE … FROM` and `ON CONFLICT`.
///
/// # Errors
/// If a statement fails.
pub async fn rows_suite(db: &Db) -> Result<()> {
    Migrations(vec![ROWS_TABLE]).apply(db).await?;
    let rows = difficult_rows();
    assert_eq!(insert(db, &rows).await?, rows.len() as u64);
    assert_eq!(read(db).await?, rows, "what was written is what is read");
    assert_eq!(
        insert(db, &rows).await?,
        0,
        "conflicting rows are left alone"
    );

    update_from(db).await?;
    nothing_without_rows(db).await?;
    many_rows(db).await
}

fn difficult_rows() -> Vec<Row> {
    let text = |text: &str| Some(text.to_owned());
    vec![
        (i64::MIN, text(""), Some(0), Some(vec![])),
        (-1, None, Some(-1), None),
        (0, text("null"), None, Some(vec![0])),
        (
            1,
            text("Müller & Söhne 日本 🏦 ' \" \\ { } , %"),
            Some(i64::MAX),
            Some((0..=255).collect()),
        ),
        (
            2,
            text("a\n\tb"),
            Some(i64::MIN + 1),
            Some(b"null".to_vec()),
        ),
        (3, text("NULL"), Some(1 << 53), Some(vec![0xff; 3])),
        (4, text("007"), Some((1 << 53) + 1), None),
        (i64::MAX, text("true"), None, Some(vec![0x5c])),
    ]
}

fn as_rows(rows: &[Row]) -> Rows {
    Rows::new()
        .int("id", rows.iter().map(|row| row.0))
        .opt_text("name", rows.iter().map(|row| row.1.clone()))
        .opt_int("amount", rows.iter().map(|row| row.2))
        .opt_bytes("content", rows.iter().map(|row| row.3.clone()))
}

async fn insert(db: &Db, rows: &[Row]) -> Result<u64> {
    let txn = db.begin_write().await?;
    let written = txn
        .execute_rows(as_rows(rows), vec![], |table, _| {
            format!(
                "INSERT INTO rows_suite (id, name, amount, content) \
                 SELECT id, name, amount, content FROM {table} AS v WHERE true ON CONFLICT (id) DO NOTHING"
            )
        })
        .await?;
    txn.commit().await?;
    Ok(written)
}

async fn read(db: &Db) -> Result<Vec<Row>> {
    db.query(
        "SELECT id, name, amount, content FROM rows_suite ORDER BY id",
        vec![],
    )
    .await?
    .iter()
    .map(|row| {
        Ok((
            column(row, "id")?,
            column(row, "name")?,
            column(row, "amount")?,
            column(row, "content")?,
        ))
    })
    .collect()
}

async fn update_from(db: &Db) -> Result<()> {
    let changes = Rows::new()
        .int("id", [1_i64, 2, 99])
        .text("name", ["one", "two", "nobody"]);
    let txn = db.begin_write().await?;
    let updated = txn
        .execute_rows(changes, vec![7_i64.into()], |table, next| {
            format!(
                "UPDATE rows_suite SET name = v.name, amount = ${next} FROM {table} AS v \
                 WHERE rows_suite.id = v.id"
            )
        })
        .await?;
    txn.commit().await?;
    assert_eq!(updated, 2);
    let found = db
        .query_rows(
            Rows::new().int("id", [2_i64, 1, 99]),
            vec!["two".into()],
            |table, next| {
                format!(
                    "SELECT r.id, r.name, r.amount FROM {table} AS v JOIN rows_suite AS r ON r.id = v.id \
                     WHERE r.name = ${next}"
                )
            },
        )
        .await?;
    assert_eq!(found.len(), 1);
    assert_eq!(column::<i64>(&found[0], "id")?, 2);
    assert_eq!(column::<i64>(&found[0], "amount")?, 7);
    Ok(())
}

async fn nothing_without_rows(db: &Db) -> Result<()> {
    assert_eq!(insert(db, &[]).await?, 0);
    let none: [i64; 0] = [];
    let found = db
        .query_rows(Rows::new().int("id", none), vec![], |table, _| {
            format!("SELECT id FROM {table} AS v")
        })
        .await?;
    assert!(found.is_empty());
    Ok(())
}

async fn many_rows(db: &Db) -> Result<()> {
    db.execute("DELETE FROM rows_suite", vec![]).await?;
    let rows: Vec<Row> = (0..MANY)
        .map(|id| {
            (
                id,
                (id % 3 != 0).then(|| format!("name {id}")),
                (id % 5 != 0).then_some(-id),
                (id % 7 != 0).then(|| id.to_be_bytes().to_vec()),
            )
        })
        .collect();
    assert_eq!(insert(db, &rows).await?, rows.len() as u64);
    assert_eq!(read(db).await?, rows);
    Ok(())
}

/// Transactions do what they say: dropped ones leave nothing, reading ones see one state.
///
/// # Errors
/// If a statement fails.
pub async fn transaction_suite(db: &Db) -> Result<()> {
    Migrations(vec![Migration {
        name: "m20260101_000002_create_transaction_suite",
        sql: "CREATE TABLE transaction_suite (id @serial@, name TEXT NOT NULL UNIQUE);",
    }])
    .apply(db)
    .await?;
    let insert = "INSERT INTO transaction_suite (name) VALUES ($1)";
    let count = "SELECT count(*) AS n FROM transaction_suite";

    let dropped = db.begin_write().await?;
    dropped.execute_sql(insert, vec!["dropped".into()]).await?;
    drop(dropped);
    let rolled_back = db.begin_write().await?;
    rolled_back
        .execute_sql(insert, vec!["rolled back".into()])
        .await?;
    rolled_back.rollback().await?;
    assert_eq!(number(db, count).await?, 0);

    let reader = db.begin_read().await?;
    assert_eq!(number(&reader, count).await?, 0);
    assert_eq!(db.execute(insert, vec!["kept".into()]).await?, 1);
    assert_eq!(number(&reader, count).await?, 0, "a reader sees one state");
    drop(reader);
    assert_eq!(number(db, count).await?, 1);

    let twice = db.execute(insert, vec!["kept".into()]).await;
    assert!(matches!(twice, Err(Error::Internal(_))), "{twice:?}");
    Ok(())
}

async fn number(on: &impl Sql, sql: &str) -> Result<i64> {
    match on.query_one(sql, vec![]).await? {
        Some(row) => Ok(column(&row, "n")?),
        None => Ok(0),
    }
}

/// Migrations are applied once, however many processes try at the same time; `dbs` are their connections.
///
/// # Errors
/// If a statement fails.
pub async fn migrate_suite(dbs: [Db; 4]) -> Result<()> {
    let migrations = Migrations(vec![
        Migration {
            name: "m20260101_000003_create_migrate_suite",
            sql: "CREATE TABLE migrate_suite (id BIGINT PRIMARY KEY);",
        },
        // Applied twice, it would fail.
        Migration {
            name: "m20260101_000004_fill_migrate_suite",
            sql: "INSERT INTO migrate_suite (id) VALUES (1);
                  INSERT INTO migrate_suite (id) VALUES (2);",
        },
    ]);
    let [first, ..] = &dbs;
    assert_eq!(migrations.missing(first).await?.len(), 2);
    let tasks: Vec<_> = dbs
        .iter()
        .cloned()
        .map(|db| {
            let migrations = migrations.clone();
            tokio::spawn(async move { migrations.apply(&db).await })
        })
        .collect();
    let mut applied = Vec::new();
    for task in tasks {
        let by_one = task.await;
        applied.extend(by_one.map_err(|error| Error::Internal(Box::new(error)))??);
    }
    let all: Vec<_> = migrations.0.iter().map(|step| step.name).collect();
    assert_eq!(
        applied, all,
        "each step is reported by the one that applied it"
    );
    assert!(migrations.missing(first).await?.is_empty());
    assert!(migrations.apply(first).await?.is_empty());
    assert_eq!(
        number(first, "SELECT count(*) AS n FROM migrate_suite").await?,
        2
    );

    // An older program does not mind what a newer one has applied.
    let older = Migrations(migrations.0[..1].to_vec());
    assert!(older.missing(first).await?.is_empty());

    let Migrations(mut broken) = migrations;
    broken.push(Migration {
        name: "m20260101_000005_break_migrate_suite",
        sql: "INSERT INTO migrate_suite (id) VALUES (3); INSERT INTO nowhere (id) VALUES (1);",
    });
    let broken = Migrations(broken);
    assert!(broken.apply(first).await.is_err());
    assert_eq!(
        broken.missing(first).await?,
        ["m20260101_000005_break_migrate_suite"]
    );
    assert_eq!(
        number(first, "SELECT count(*) AS n FROM migrate_suite").await?,
        2,
        "a step that fails leaves nothing"
    );
    Ok(())
}

/// A repeated call finds its answer, other content is refused, a twin collides, old answers go.
///
/// # Errors
/// If a statement fails.
pub async fn idempotency_suite(db: &Db) -> Result<()> {
    Migrations(vec![idempotency::MIGRATION]).apply(db).await?;
    let key = |request_id: &str| RequestKey {
        principal: "local".to_owned(),
        creditor_id: "c1".to_owned(),
        method: "CreateDebtor",
        request_id: request_id.to_owned(),
    };
    let digest = idempotency::digest(&("content", 1))?;
    let answer = ("Müller".to_owned(), i64::MIN);

    let txn = db.begin_write().await?;
    let none: Option<(String, i64)> = idempotency::stored(&txn, &key("r1"), &digest).await?;
    assert_eq!(none, None);
    idempotency::store(&txn, &key("r1"), &digest, &answer, 1_000).await?;
    txn.commit().await?;

    let found = idempotency::stored(db, &key("r1"), &digest).await?;
    assert_eq!(found, Some(answer.clone()));
    let other = idempotency::digest(&("content", 2))?;
    let refused = idempotency::stored::<(String, i64)>(db, &key("r1"), &other).await;
    assert!(matches!(refused, Err(Error::RequestIdReused)));
    let txn = db.begin_write().await?;
    let twin = idempotency::store(&txn, &key("r1"), &digest, &answer, 1_000).await;
    assert!(matches!(twin, Err(Error::Contention(None))));
    txn.rollback().await?;
    let elsewhere = RequestKey {
        creditor_id: "c2".to_owned(),
        ..key("r1")
    };
    let none: Option<(String, i64)> = idempotency::stored(db, &elsewhere, &digest).await?;
    assert_eq!(none, None, "another creditor's request ids are its own");

    expire_oldest(db, &key, &digest).await
}

async fn expire_oldest(
    db: &Db,
    key: &(impl Fn(&str) -> RequestKey + Sync),
    digest: &str,
) -> Result<()> {
    let txn = db.begin_write().await?;
    for (number, at) in [2_000, 3_000, 4_000].into_iter().enumerate() {
        let at: Micros = at;
        idempotency::store(&txn, &key(&format!("e{number}")), digest, &number, at).await?;
    }
    txn.commit().await?;
    assert_eq!(idempotency::expire(db, 4_000, 2).await?, 2);
    assert_eq!(idempotency::expire(db, 4_000, 2).await?, 1);
    assert_eq!(idempotency::expire(db, 4_000, 2).await?, 0);
    assert_eq!(
        number(db, "SELECT count(*) AS n FROM idempotency").await?,
        1
    );
    Ok(())
}

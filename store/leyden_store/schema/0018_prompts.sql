-- Prompts as versioned resources, and evaluations: a task set run under one prompt, model or checkpoint. Rows are appended;
-- the newest wins.

CREATE TABLE IF NOT EXISTS prompts
(
    Project       LowCardinality(String) DEFAULT 'default',
    Name          String,
    Version       UInt32,
    Text          String CODEC(ZSTD(1)),
    Description   String,
    Owner         String,
    ParentVersion UInt32, -- the version it was made from; 0 for none
    Origin        String CODEC(ZSTD(1)), -- JSON: how it was found, by what made it
    CreatedAt     DateTime64(6),
    Deleted       Bool DEFAULT false
)
ENGINE = ReplacingMergeTree(CreatedAt)
ORDER BY (Project, Name, Version);

-- Every move of a label stays: which version was in production when.
CREATE TABLE IF NOT EXISTS prompt_labels
(
    Project LowCardinality(String) DEFAULT 'default',
    Name    String,
    Label   String,
    Version UInt32,
    Owner   String,
    SetAt   DateTime64(6)
)
ENGINE = ReplacingMergeTree
ORDER BY (Project, Name, Label, SetAt);

CREATE TABLE IF NOT EXISTS evaluations
(
    Project       LowCardinality(String) DEFAULT 'default',
    EvaluationId  String,
    Name          String,
    Status        LowCardinality(String),
    Agent         String,
    Tasks         String, -- the file or saved query the tasks came from
    TasksHash     String,
    Model         String,
    PolicyVersion String,
    Prompt        String,
    PromptVersion String,
    Checkpoint    String,
    Config        String CODEC(ZSTD(1)), -- JSON
    Summary       String CODEC(ZSTD(1)), -- JSON: means, intervals, counts
    Error         String,
    CodeVersion   LowCardinality(String),
    StartedAt     DateTime64(6),
    EndedAt       Nullable(DateTime64(6)),
    UpdatedAt     DateTime64(6)
)
ENGINE = ReplacingMergeTree(UpdatedAt)
ORDER BY (Project, EvaluationId);

-- One attempt at one task of an evaluation. What failed has no reward: it is never a 0.
CREATE TABLE IF NOT EXISTS evaluation_rollouts
(
    EvaluationId String,
    TaskId       String,
    Attempt      UInt32,
    RolloutId    String,
    Outcome      LowCardinality(String), -- done, failed, timed_out or incomplete
    Error        String CODEC(ZSTD(1)),
    Rewards      Map(LowCardinality(String), Float64),
    InputTokens  Nullable(UInt64),
    OutputTokens Nullable(UInt64),
    Cost         Nullable(Float64),
    LatencyS     Nullable(Float64),
    Timestamp    DateTime64(6)
)
ENGINE = ReplacingMergeTree(Timestamp)
ORDER BY (EvaluationId, TaskId, Attempt);

CREATE TABLE IF NOT EXISTS comparisons
(
    Project      LowCardinality(String) DEFAULT 'default',
    ComparisonId String,
    A            String, -- evaluation ids
    B            String,
    Reward       LowCardinality(String),
    Winner       LowCardinality(String), -- a, b or '' where it is undecided
    Why          String,
    Measures     String CODEC(ZSTD(1)), -- JSON: paired differences with their intervals
    CreatedAt    DateTime64(6)
)
ENGINE = ReplacingMergeTree(CreatedAt)
ORDER BY (Project, ComparisonId);

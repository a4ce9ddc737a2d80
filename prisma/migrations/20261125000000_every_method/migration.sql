-- Stored JSON follows the contract, in which every method of the paper can be trained. No table changes.

-- A configuration names everything that decides its result: what was fixed before is now a field. (Not json_patch, which drops fields that are null.)
UPDATE "Run" SET
    "config" = json_insert("config",
        '$.embedding_dim', 20, '$.embedding_init', 'auto', '$.head', 'softmax', '$.radial_sigma', 1, '$.optimizer', 'adamw', '$.inference_steps', 1000,
        '$.sampler', 'eq3', '$.fm_sigma', 0, '$.augmentation', 'none', '$.ema_decay', 0, '$.label_smoothing', 0),
    "preset" = CASE "preset" WHEN 'paper' THEN 'paper-dt-mnist-onehot' ELSE "preset" END;

-- The answers that are given again to a repeated request are runs.
UPDATE "IdempotencyKey" SET
    "body" = json_insert("body",
        '$.config.embedding_dim', 20, '$.config.embedding_init', 'auto', '$.config.head', 'softmax', '$.config.radial_sigma', 1,
        '$.config.optimizer', 'adamw', '$.config.inference_steps', 1000, '$.config.sampler', 'eq3', '$.config.fm_sigma', 0,
        '$.config.augmentation', 'none', '$.config.ema_decay', 0, '$.config.label_smoothing', 0)
WHERE json_type("body", '$.config') = 'object';

-- What is to be trained, and what an evaluation counts, are facts of a run: here those of the blocks and the head, none of which waits for another.
UPDATE "Task" SET
    "result" = json_insert("result",
        '$.units', (SELECT json_group_array("block") FROM (SELECT "block" FROM "BlockState" WHERE "runId" = "Task"."runId" ORDER BY "block")),
        '$.in_turn', json('false'),
        '$.chain_steps', (SELECT json_group_array("block") FROM
            (SELECT "block" FROM "BlockState" WHERE "runId" = "Task"."runId" AND "block" > 0 ORDER BY "block")),
        '$.prototypes', NULL)
WHERE "kind" = 'prepare' AND "result" IS NOT NULL;

-- Accuracies are those after a step of the chain, which in discrete time is a block.
UPDATE "Task" SET
    "result" = json_remove(
        json_set("result",
            '$.noise_free.correct_after_step', json_extract("result", '$.noise_free.correct_after_block'),
            '$.noisy.correct_after_step', json_extract("result", '$.noisy.correct_after_block')),
        '$.noise_free.correct_after_block', '$.noisy.correct_after_block')
WHERE "kind" = 'evaluate' AND "result" IS NOT NULL;

UPDATE "Evaluation" SET
    "facts" = json_remove(
        json_set("facts",
            '$.chain_steps', (SELECT json_group_array("key" + 1) FROM json_each("facts", '$.noise_free.after_block')),
            '$.noise_free.after_step', json_extract("facts", '$.noise_free.after_block'),
            '$.noisy.after_step', json_extract("facts", '$.noisy.after_block')),
        '$.noise_free.after_block', '$.noisy.after_block');

UPDATE "RunEvent" SET
    "body" = json_remove(
        json_set("body",
            '$.chain_steps', (SELECT json_group_array("key" + 1) FROM json_each("body", '$.noise_free.after_block')),
            '$.noise_free.after_step', json_extract("body", '$.noise_free.after_block'),
            '$.noisy.after_step', json_extract("body", '$.noisy.after_block')),
        '$.noise_free.after_block', '$.noisy.after_block')
WHERE "type" = 'evaluation_completed';
